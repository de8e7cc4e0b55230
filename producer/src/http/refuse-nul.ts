import { escapePointer } from "@toril/contract/api/json";
import { ProblemError } from "./problem.ts";

/** Throws a problem for NUL characters in the query: Postgres cannot store them and fails queries that contain them. */
export function refuseNul(url: string): void {
  const start = url.indexOf("?");
  if (start === -1 || !url.includes("%00", start)) return;
  const errors = [...new URLSearchParams(url.slice(start))]
    .filter(([, value]) => value.includes("\0"))
    .map(([name]) => ({
      pointer: `/${escapePointer(name)}`,
      detail: "Text with a NUL character.",
    }));
  if (errors.length > 0) throw new ProblemError("invalid-parameter", undefined, errors);
}
