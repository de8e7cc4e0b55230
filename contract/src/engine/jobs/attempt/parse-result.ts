import { z } from "zod";
import { parseSafely, toThrownText } from "../../../api/job-data/parse-safely.ts";
import type { JobType } from "../../../api/job-type.ts";

export type ParsedResult =
  /** `text` is JSON. */
  | { status: "ok"; text: string }
  | { status: "invalid"; detail: string; issues: readonly z.core.$ZodIssue[] };

/**
 * Validates the result that a worker has reported. The result of an unknown job type is stored as it is.
 * @param result any JSON
 */
export function parseResult(jobType: JobType | undefined, result: unknown): ParsedResult {
  const parsed = parseSafely(jobType?.result ?? z.unknown(), result);
  if (!parsed.success) {
    const { issues } = parsed.error;
    return { status: "invalid", detail: toDetail(z.prettifyError(parsed.error)), issues };
  }
  try {
    return { status: "ok", text: JSON.stringify(parsed.data) ?? "null" };
  } catch (thrown) {
    // The schema has made something without a JSON form of it, such as a bigint.
    const message = toThrownText(thrown);
    const issues = [{ code: "custom" as const, path: [], message, input: undefined }];
    return { status: "invalid", detail: toDetail(message), issues };
  }
}

function toDetail(text: string): string {
  return `The result does not fit its type: ${text}`;
}
