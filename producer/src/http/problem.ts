import type { Logger } from "pino";
import { BatchRefused } from "@toril/contract/engine/batcher";
import type { FieldError } from "@toril/contract/api/json/json";
import { isLockTimeout, isTransient } from "@toril/contract/engine/postgres/errors";
import { isRedisUnavailable } from "@toril/contract/engine/redis/errors";
import { type Problem, type ProblemKind, toProblem } from "@toril/contract/api/problem";

interface ProblemExtras {
  /** Additional members of the body. */
  members?: Record<string, unknown>;
  /** Additional response headers. */
  headers?: Record<string, string>;
}

/** Thrown to end a request with a problem document (RFC 9457). */
export class ProblemError extends Error {
  readonly kind: ProblemKind;
  readonly detail: string | undefined;
  readonly errors: FieldError[] | undefined;
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    kind: ProblemKind,
    detail?: string,
    errors?: FieldError[],
    { members = {}, headers = {} }: ProblemExtras = {},
  ) {
    super(detail ?? kind);
    this.kind = kind;
    this.detail = detail;
    this.errors = errors;
    this.members = members;
    this.headers = headers;
  }
}

/** The part of a request's context that an error response needs. */
interface FailedRequest {
  readonly path: string;
  readonly requestId: string;
  readonly request: Request;
  problem: ProblemKind | undefined;
}

export type ErrorHandler = (error: unknown, context: FailedRequest) => Response;

/** Converts errors to problem responses. Unexpected errors are logged, and the response reveals only the request id. */
export function createErrorHandler(log: Logger): ErrorHandler {
  return (error, context) => {
    const problem = toProblemError(error);
    if (problem === undefined)
      log.error({ err: error, requestId: context.requestId }, "request failed");
    return problemResponse(context, problem ?? new ProblemError("internal-error"));
  };
}

/** The only place that builds an error body. */
export function problemResponse(context: FailedRequest, error: ProblemError): Response {
  const problem: Problem = {
    ...toProblem(error.kind, error.detail, error.errors),
    instance: context.path,
    requestId: context.requestId,
    ...error.members,
  };
  context.problem = error.kind;
  const headers: Record<string, string> = {
    "Content-Type": "application/problem+json",
    ...error.headers,
  };
  if (problem.status === 503) headers["Retry-After"] ??= "1";
  if (mayBeVeryLarge(context.request.headers)) headers["Connection"] = "close";
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/**
 * The server reads and discards what remains of bodies up to this size, so that the client gets to read the response.
 */
const droppedBytes = 64_000_000;

/** Whether the rest of the body could keep the connection busy long after the response. */
function mayBeVeryLarge(headers: Headers): boolean {
  const length = headers.get("content-length");
  if (length === null) return headers.has("transfer-encoding");
  return Number(length) > droppedBytes;
}

const longestRetryMs = 60_000;

/** If capacity is exhausted, returns the estimated time until there is room; otherwise the default applies. */
function retryAfter(error: unknown): Record<string, string> {
  if (!(error instanceof BatchRefused) || error.retryAfterMs === undefined) return {};
  const seconds = Math.ceil(Math.min(error.retryAfterMs, longestRetryMs) / 1000);
  return { "Retry-After": String(Math.max(seconds, 1)) };
}

function toProblemError(error: unknown): ProblemError | undefined {
  if (error instanceof ProblemError) return error;
  if (
    error instanceof BatchRefused ||
    isTransient(error) ||
    isLockTimeout(error) ||
    isRedisUnavailable(error)
  ) {
    return new ProblemError(
      "at-capacity",
      error instanceof BatchRefused && error.reason === "full"
        ? "Nothing was stored. Try again."
        : "Whether it was stored is unknown. Repeat the request, with an Idempotency-Key where it changes something.",
      undefined,
      { headers: retryAfter(error) },
    );
  }
  return undefined;
}

export function toParameterProblem(pointer: string, detail: string) {
  return new ProblemError("invalid-parameter", undefined, [{ pointer, detail }]);
}
