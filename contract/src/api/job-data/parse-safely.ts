import { z } from "zod";

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

/** Describes what a function of a project threw, in one short line. */
export function toThrownText(thrown: unknown): string {
  try {
    return String(thrown).slice(0, 500);
  } catch {
    return "The thrown value cannot be read.";
  }
}
