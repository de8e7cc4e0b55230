import {
  type DataOf,
  type JobRequest,
  type JobTypeName,
  jobTypeNames,
  type ResultOf,
  sandboxedTypes,
} from "@toril/contract/api/job-types/index";
import type { JobLog } from "../observability/log.ts";

/** What a handler is given beside its data. */
export interface HandlerContext {
  /** The id of the job, the same in every run. */
  readonly id: string;
  /** 1 for the first run. */
  readonly attempt: number;
  /**
   * Aborted when the run is to end: the process stops, the job was cancelled, or its time is up. But for the last, what is
   * rejected afterwards is no failure.
   */
  readonly signal: AbortSignal;
  readonly log: JobLog;
  /** Shown while the job is pending; the last one counts, and a lost one does no harm. */
  progress(value: number | object): void;
  /**
   * Throws RetryAt when the quotas of the job's key have nothing left for jobs that it enqueues. The first `enqueue` of a run
   * asks by itself; call this before work that a delayed run should not repeat. Once admitted, a run is never refused.
   */
  admitChildren(): Promise<void>;
  /**
   * Ledger first, then Redis: when it resolves, the jobs are recorded, but for those that were refused. A run that is
   * repeated enqueues again.
   */
  enqueue(requests: readonly JobRequest[]): Promise<EnqueuedChildren>;
}

export interface EnqueuedChildren {
  created: number;
  /** A job with the same key is still pending. */
  duplicate: number;
  /** What a client would be refused, too: data that does not fit its type, or cannot be stored, or is too large. */
  refused: { index: number; detail: string }[];
}

export type Handler<Name extends JobTypeName> = (
  data: DataOf<Name>,
  context: HandlerContext,
) => Promise<ResultOf<Name>>;

export type Handlers = { readonly [Name in JobTypeName]: Handler<Name> };

/**
 * Throws when a job type has no handler: its jobs would die after their last attempt. The compiler says so too, but not
 * to a registry that is put together at run time or written in JavaScript.
 * @param sandboxed what runs in the threads
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

/** Thrown by a handler: no further run can help. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";
}

/** Thrown by a handler: not before `at`. Uses up no attempt. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";
  readonly at: Date;

  constructor(at: Date, message: string) {
    super(message);
    this.at = at;
  }
}
