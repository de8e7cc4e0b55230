import type { Context, ErrorHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import type { Logger } from "pino";
import { BatchRefused } from "@toril/contract/batch";
import type { FieldError } from "@toril/contract/json";
import { isLockTimeout, isTransient } from "@toril/contract/ledger/errors";
import { type Problem, type ProblemKind, problemOf } from "@toril/contract/problem";
import type { AppEnv } from "./app-env.ts";

/** Thrown wherever a request cannot be answered as asked; becomes the body of the answer. */
export class ProblemError extends Error {
  readonly kind: ProblemKind;
  readonly detail: string | undefined;
  readonly errors: FieldError[] | undefined;
  readonly members: Record<string, unknown>;

  constructor(
    kind: ProblemKind,
    detail?: string,
    errors?: FieldError[],
    members: Record<string, unknown> = {},
  ) {
    super(detail ?? kind);
    this.kind = kind;
    this.detail = detail;
    this.errors = errors;
    this.members = members;
  }
}

/** What nobody expected is logged, and reveals nothing but the request's id. */
export function createErrorHandler(log: Logger): ErrorHandler<AppEnv> {
  return (error, c) => {
    const problem = asProblem(error);
    if (problem === undefined) log.error({ err: error, requestId: c.env.requestId }, "failed");
    return problemResponse(c, problem ?? new ProblemError("internal-error"));
  };
}

/** The one place that makes an error body. */
export function problemResponse(c: Context<AppEnv>, error: ProblemError): Response {
  const problem: Problem = {
    ...problemOf(error.kind, error.detail, error.errors),
    instance: c.req.path,
    requestId: c.env.requestId,
    ...error.members,
  };
  c.env.problem = error.kind;
  const headers: Record<string, string> = { "Content-Type": "application/problem+json" };
  if (problem.status === 503) headers["Retry-After"] = "1";
  if (mayBeEndless(c.req.raw.headers)) headers["Connection"] = "close";
  return c.body(JSON.stringify(problem), problem.status as 500, headers);
}

/** A body below this is read to its end and dropped, so that its sender comes to read the answer. */
const droppedBytes = 64_000_000;

/** Whether what is left of a body could keep the connection busy for long after the answer. */
function mayBeEndless(headers: Headers): boolean {
  const length = headers.get("content-length");
  if (length === null) return headers.has("transfer-encoding");
  return Number(length) > droppedBytes;
}

function asProblem(error: Error): ProblemError | undefined {
  if (error instanceof ProblemError) return error;
  if (error instanceof BatchRefused || isTransient(error) || isLockTimeout(error)) {
    return new ProblemError(
      "at-capacity",
      error instanceof BatchRefused && error.reason === "full"
        ? "Nothing was stored. Try again."
        : "Whether it was stored is unknown. Repeat the request, with an Idempotency-Key where it changes something.",
    );
  }
  if (error instanceof HTTPException && error.status === 415) {
    return new ProblemError("unsupported-media-type");
  }
  return undefined;
}
