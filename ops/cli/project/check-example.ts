import type { JobType } from "@toril/contract";
import { parseSafely, toThrownText } from "@toril/contract/api/job-data/parse-safely";
import { z } from "zod";
import { UserError } from "../../dev/user-error.ts";

/**
 * Checks the example of a job type as a job: its data is parsed when it is accepted, stored as JSON, and parsed again
 * before each attempt.
 * @throws UserError that names the job type
 */
export function checkExample({ type, data }: JobType): void {
  const example = data.meta()?.["example"];
  if (example === undefined) return;
  const accepted = parseSafely(data, example);
  if (!accepted.success) {
    const reasons = z.prettifyError(accepted.error);
    throw new UserError(
      `the example of the job type ${type} does not match its schema: ${reasons}`,
    );
  }
  let stored: string | undefined;
  try {
    stored = JSON.stringify(accepted.data);
  } catch (thrown) {
    throw new UserError(
      `the data of the job type ${type} has no JSON form: ${toThrownText(thrown)}`,
    );
  }
  const taken = parseSafely(data, JSON.parse(stored ?? "null"));
  if (taken.success) return;
  throw new UserError(
    `the schema of the job type ${type} makes ${stored} of its example, and does not accept that before an attempt: ${z.prettifyError(taken.error)}`,
  );
}
