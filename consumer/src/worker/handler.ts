import {
  type DataOf,
  type JobRequest,
  type JobTypeName,
  jobTypeNames,
  type ResultOf,
  sandboxedTypes,
} from "@toril/contract/api/job-types/index";
import type { JobLog } from "../observability/log.ts";

/** What a handler receives in addition to its data. */
export interface HandlerContext {
  /** Job id, the same in every attempt. */
  readonly id: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /**
   * Aborted when the attempt must end: shutdown, cancellation or timeout. An error thrown after shutdown or
   * cancellation is not a failure.
   */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  /** Sets the progress, visible while the job is pending. The last value wins; updates may be lost. */
  progress(value: number | object): void;
  /**
   * Throws `RetryAfterError` when the quotas of the job's API key are exhausted for enqueued jobs. The first `enqueue`
   * of an attempt does this check; call this method before work that a delayed attempt should not repeat. An admitted
   * attempt is never refused later.
   */
  admitChildren(): Promise<void>;
  /**
   * Enqueues jobs: ledger first, then Redis. When the promise resolves, all jobs except refused ones are recorded. A
   * retried attempt enqueues again.
   */
  enqueue(requests: readonly JobRequest[]): Promise<EnqueuedChildren>;
}

export interface EnqueuedChildren {
  created: number;
  /** A pending job with the same key already exists. */
  duplicate: number;
  /** Refused as for a client: the data does not fit the type, cannot be stored or is too large. */
  refused: { index: number; detail: string }[];
}

export type Handler<Name extends JobTypeName> = (
  data: DataOf<Name>,
  context: HandlerContext,
) => Promise<ResultOf<Name>>;

export type Handlers = { readonly [Name in JobTypeName]: Handler<Name> };

/**
 * Throws when a job type has no handler, because its jobs would fail every attempt. The compiler cannot check a
 * registry that is built at run time or in JavaScript.
 * @param sandboxed handlers that run in threads
 */
export function requireHandlers(
  handlers: Partial<Record<JobTypeName, unknown>>,
  sandboxed: Partial<Record<JobTypeName, unknown>>,
): void {
  const missing = [
    ...jobTypeNames.filter((type) => typeof handlers[type] !== "function"),
    ...sandboxedTypes.flatMap(({ type }) => (typeof sandboxed[type] === "function" ? [] : type)),
  ];
  if (missing.length > 0) throw new Error(`no handler for the job types: ${missing.join(", ")}`);
}

/** Thrown by a handler to fail the job without further attempts. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";
}

/** Thrown by a handler to retry not before `at`. Uses no attempt. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";
  readonly at: Date;

  constructor(at: Date, message: string) {
    super(message);
    this.at = at;
  }
}
