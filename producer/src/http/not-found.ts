import { methodsAt } from "../operations/operations.ts";
import { ProblemError } from "./problem.ts";

/** Why nothing is served at an address: it knows other methods only, or it is none. */
export function notFoundProblem(path: string): ProblemError {
  const methods = methodsAt(path);
  return methods.length === 0
    ? new ProblemError("not-found")
    : new ProblemError("method-not-allowed", undefined, undefined, {
        headers: { Allow: methods.join(", ") },
      });
}
