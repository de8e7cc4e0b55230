import type { JobDetail, Problem as KnownProblem } from "./api-types.ts";

/** The body of an error response (RFC 9457). `type` is open: a newer service may have further problem types. */
export interface Problem extends Omit<KnownProblem, "type"> {
  type: KnownProblem["type"] | (string & {});
}

/** The service answered with a status that is not 2xx. */
export class TorilError extends Error {
  readonly problem: Problem;
  /** From the `Retry-After` of the response; undefined without one. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Problem, retryAfterMs?: number) {
    super([problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "TorilError";
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No complete response arrived: refused, cut or timed out. Whether the service processed the request is unknown. */
export class ConnectionError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = "ConnectionError";
  }
}

/** `result()` reached its `timeoutMs` before the job was finished. The job continues. */
export class ResultTimeoutError extends Error {
  readonly jobId: string;

  constructor(jobId: string, timeoutMs: number) {
    super(`Job ${jobId} was not finished within ${timeoutMs} ms`);
    this.name = "ResultTimeoutError";
    this.jobId = jobId;
  }
}

/** A job ended without a result. `job` is the job with its error and attempts. */
export class JobNotCompletedError extends Error {
  readonly job: JobDetail;

  constructor(job: JobDetail, reason?: string) {
    super(`Job ${job.id} (${job.type}) is ${job.status}${reason ? `: ${reason}` : ""}`);
    this.name = "JobNotCompletedError";
    this.job = job;
  }
}

/** The job used all its attempts, or its handler threw a non-retryable error. */
export class JobDeadError extends JobNotCompletedError {
  constructor(job: JobDetail) {
    super(job, job.error?.message);
    this.name = "JobDeadError";
  }
}

/** A client cancelled the job. */
export class JobCancelledError extends JobNotCompletedError {
  override name = "JobCancelledError";
}

/** The job was not started before its `expiresAt`. */
export class JobExpiredError extends JobNotCompletedError {
  override name = "JobExpiredError";
}

/** Reads the problem of a response; a proxy may have answered instead of Toril. */
export async function toTorilError(response: Response): Promise<TorilError> {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = isProblem(body)
    ? body
    : {
        type: "about:blank",
        title: response.statusText || "No problem document",
        status: response.status,
      };
  return new TorilError(problem, parseRetryAfter(response.headers.get("Retry-After")));
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { type, title, status } = body as Partial<Record<string, unknown>>;
  return typeof type === "string" && typeof title === "string" && typeof status === "number";
}

/** Parses seconds or an HTTP date. */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}
