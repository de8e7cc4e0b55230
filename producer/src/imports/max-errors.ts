import { ProblemError } from "../http/problem.ts";

/** Throws a problem if more rows were rejected than the import allows. */
export function requireFewErrors(
  { rejected }: { rejected: number },
  maxErrors = Number.POSITIVE_INFINITY,
): void {
  if (rejected <= maxErrors) return;
  throw new ProblemError(
    "too-many-errors",
    `${rejected} rows were rejected, and the import allows ${maxErrors}.`,
  );
}
