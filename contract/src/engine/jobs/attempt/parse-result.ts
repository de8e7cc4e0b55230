import { z } from "zod";
import { jsonLimits, parseJson } from "../../../api/json/json.ts";
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

/** Parses the JSON text of a result. A value that cannot be stored exactly is invalid, as in a request. */
export function parseResultJson(
  bytes: Uint8Array,
): { status: "ok"; value: unknown } | { status: "invalid"; detail: string } {
  const parsed = parseJson(bytes, { ...jsonLimits, members: Infinity, values: Infinity });
  if (parsed.status === "ok") return parsed;
  if (parsed.status === "malformed") {
    return { status: "invalid", detail: "The result is not valid JSON." };
  }
  const { pointer, detail } = parsed.error;
  const where = pointer === "" ? "" : `${pointer}: `;
  return { status: "invalid", detail: `The result cannot be stored exactly: ${where}${detail}` };
}

function toDetail(text: string): string {
  return `The result does not fit its type: ${text}`;
}
