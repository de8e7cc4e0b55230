import type { ChildCounts } from "@toril/contract/api/jobs/graph";
import type { JobError } from "@toril/contract/api/jobs/job";
import type { JobStatus } from "@toril/contract/api/jobs/job-states";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type {
  JobData,
  JobType,
  JobTypes,
  JobResult,
  SandboxLimits,
  WorkerKind,
} from "@toril/contract/api/job-type";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
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
  /**
   * Reads the children of the job in its graph, with their results, in order of their ids. Yields none for a job that
   * was enqueued without a graph, and none of the jobs that `enqueue` created. For a job that waited for a bulk request
   * or an import, these are the jobs of the request or the import.
   */
  children(): AsyncIterable<ChildJob>;
  /** Reads the numbers of these jobs by status, and of the rows of an import; null for a job that waited for none. */
  childCounts(): Promise<ChildCounts | null>;
}

/** A job of which the handler's job was the parent in a graph. */
export interface ChildJob {
  id: string;
  type: string;
  key: string | null;
  status: JobStatus;
  /** Null unless the child completed. */
  result: unknown;
  error: JobError | null;
}

export interface EnqueuedChildren {
  created: number;
  /** A pending job with the same key already exists. */
  duplicate: number;
  /** Refused as for a client: the data does not fit the type, cannot be stored or is too large. */
  refused: { index: number; detail: string }[];
}

/** @typeParam Context members that the project's `context` adds to the context of an attempt */
export type Handler<Type extends JobType = JobType, Context = unknown> = (
  data: JobData<Type>,
  context: HandlerContext & Context,
) => Promise<JobResult<Type>>;

/** Job types that a handler in this process processes. */
type HandledType<Types extends JobTypes> = Exclude<
  Types[number],
  { sandbox: SandboxLimits } | { worker: Exclude<WorkerKind, "handler"> }
>;

/** One handler per job type, except for sandboxed types and types with another kind of worker. */
export type Handlers<Types extends JobTypes, Context = unknown> = {
  readonly [Name in HandledType<Types>["type"]]: Handler<
    Extract<Types[number], { type: Name }>,
    Context
  >;
};

/** Handlers by job type. A handler receives data that the schema of its type has parsed. */
export type HandlerMap = ReadonlyMap<string, Handler>;

/**
 * Creates the handlers of the job types, except for sandboxed types and types with another kind of worker. A missing
 * handler is a compile error.
 * @throws if a handler is missing at run time
 */
export function defineHandlers<Types extends JobTypes>(
  { types }: JobTypeRegistry<Types>,
  handlers: Handlers<Types>,
): HandlerMap {
  const map = new Map<string, Handler>(Object.entries(handlers));
  requireHandlers(
    types.filter(({ sandbox }) => sandbox === undefined),
    map,
  );
  return map;
}

/**
 * Throws if a job type that is processed by a handler has none, because its jobs would fail every attempt. The compiler
 * cannot check handlers that are created at run time or in JavaScript.
 */
export function requireHandlers(
  types: readonly Pick<JobType, "type" | "worker">[],
  handlers: ReadonlyMap<string, unknown>,
): void {
  const missing = types.filter(
    ({ type, worker }) => worker === "handler" && typeof handlers.get(type) !== "function",
  );
  if (missing.length === 0) return;
  throw new Error(`no handler for the job types: ${missing.map(({ type }) => type).join(", ")}`);
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
