import { z } from "zod";
import type { JobType } from "../job-type.ts";

/**
 * Parses with a schema that may run functions of a project. If one of them throws, or is asynchronous, the value is
 * invalid: one value must not stop a batch, a queue or a process.
 * @param path of the value that the functions belong to
 */
export function parseSafely<Output>(
  schema: z.ZodType<Output>,
  value: unknown,
  path: string[] = [],
): z.ZodSafeParseResult<Output> {
  try {
    return schema.safeParse(value);
  } catch (thrown) {
    const message = `The schema failed: ${toThrownText(thrown)}`;
    const error = new z.ZodError([{ code: "custom", path, message, input: undefined }]);
    return { success: false, error: error as z.ZodError<Output> };
  }
}

/**
 * Parses the data of a recorded job for an attempt. Data of a registered type was validated when the job was accepted, and
 * is not validated again: the type may have changed since, or this process may not know its newest version yet.
 */
export function parseRecorded(
  { data: schema, isRegistered }: Pick<JobType, "data" | "isRegistered">,
  data: unknown,
): z.ZodSafeParseResult<unknown> {
  return isRegistered ? { success: true, data } : parseSafely(schema, data);
}

/** Describes what a function of a project threw, in one short line. */
export function toThrownText(thrown: unknown): string {
  try {
    return String(thrown).slice(0, 500);
  } catch {
    return "The thrown value cannot be read.";
  }
}
