import { methodsAt } from "../operations/operations.ts";
import { ProblemError } from "./problem.ts";

/** Returns `method-not-allowed` with the permitted methods, or `not-found` for an unknown path. */
export function notFoundProblem(path: string): ProblemError {
  const methods = methodsAt(path);
  return methods.length === 0
    ? new ProblemError("not-found")
    : new ProblemError("method-not-allowed", undefined, undefined, {
        headers: { Allow: methods.join(", ") },
      });
}
