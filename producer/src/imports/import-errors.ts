import type { ImportError } from "@toril/contract/api/import";
import { type ProblemKind, toProblem } from "@toril/contract/api/problem";
import { BatchRefused } from "@toril/contract/engine/batcher";
import { isTransient } from "@toril/contract/engine/postgres/errors";
import { ProblemError } from "../http/problem.ts";

/** The file is invalid at `line`; nothing after that line can be read. */
export class InvalidFileError extends Error {
  readonly kind: ProblemKind;
  readonly line: number;

  constructor(kind: ProblemKind, line: number, detail: string) {
    super(detail);
    this.kind = kind;
    this.line = line;
  }
}

/**
 * A chunk that was refused, or whose COMMIT got no reply, is sent again. Its jobs keep their ids, so that no job is
 * recorded twice.
 */
const maxTries = 6;

/** Repeats work that was refused or failed transiently. */
export async function retryRefused<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isRefusal(error) || tries === maxTries) throw error;
      await new Promise((resolve) => setTimeout(resolve, tries * 200));
    }
  }
}

export function isRefusal(error: unknown): boolean {
  return error instanceof BatchRefused || isTransient(error);
}

export function toImportError(error: unknown): ImportError {
  if (error instanceof InvalidFileError) {
    return { line: error.line, problem: toProblem(error.kind, error.message) };
  }
  if (error instanceof ProblemError) {
    const detail = error.kind === "too-many-errors" ? error.detail : undefined;
    return { line: 0, problem: toProblem(error.kind, detail) };
  }
  return { line: 0, problem: toProblem(isRefusal(error) ? "at-capacity" : "internal-error") };
}

export function toImportProblem(error: unknown, importId?: string): unknown {
  const detail = importId === undefined ? "" : `Import ${importId} contains the rows read before.`;
  if (error instanceof InvalidFileError) {
    const where = error.line > 0 ? `Line ${error.line}: ` : "";
    return new ProblemError(error.kind, `${where}${error.message} ${detail}`.trim());
  }
  if (detail === "") return error;
  if (isRefusal(error)) return new ProblemError("at-capacity", detail);
  const isNamed =
    error instanceof ProblemError &&
    (error.kind === "quota-exceeded" || error.kind === "too-many-errors");
  return isNamed
    ? new ProblemError(error.kind, `${error.detail} ${detail}`, undefined, error)
    : error;
}
