import type { ParsedJson } from "@toril/contract/api/json/json";
import { limits } from "@toril/contract/api/limits";
import { type Problem, toProblem } from "@toril/contract/api/problem";

/** An object of a file, by the line where it begins. `raw` is the beginning of its text. */
export type ObjectRecord =
  | { status: "row"; line: number; values: Record<string, unknown>; raw: string }
  | { status: "bad"; line: number; problem: Problem; raw: string };

/** Records per turn of the event loop: a record costs the same, however short its text is. */
export const recordsPerTurn = 250;

/** Converts JSON of a file: what is no object is a bad record. */
export function toObjectRecord(parsed: ParsedJson, bytes: Uint8Array, line: number): ObjectRecord {
  // A UTF-16 code unit has at most three bytes.
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .subarray(0, 3 * limits.importErrorText)
    .toString();
  if (parsed.status === "malformed") {
    return { status: "bad", line, problem: toProblem("invalid-json", parsed.detail), raw };
  }
  if (parsed.status === "unstorable") {
    const problem = toProblem("unstorable-json", undefined, [parsed.error]);
    return { status: "bad", line, problem, raw };
  }
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const problem = toProblem("invalid-json", "Each row must be an object.");
    return { status: "bad", line, problem, raw };
  }
  return { status: "row", line, values: value as Record<string, unknown>, raw };
}
