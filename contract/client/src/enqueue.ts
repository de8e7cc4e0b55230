import type { AcceptedJob, BulkResult, JobDetail } from "./api-types.ts";
import { type BatchOptions, createBatch, type Enqueued } from "./batch.ts";
import {
  JobCancelledError,
  JobDeadError,
  JobExpiredError,
  JobNotCompletedError,
  ResultTimeoutError,
} from "./errors.ts";
import type {
  JobInput,
  JobOptions,
  JobType,
  JobTypeName,
  JobTypes,
  JobResult,
} from "./job-types.ts";
import { pause } from "./retry.ts";
import {
  type CallOptions,
  post,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

/** A request of the service waits at most this long; more would outlive the timeouts of common proxies. */
const waitSeconds = 20;

/** Minimum time between two requests for a result, if the service does not wait. */
const pollMs = 1000;

export interface EnqueueOptions extends JobOptions, WriteOptions {}

export interface ResultOptions extends CallOptions {
  /** Maximum time until the job is finished; unlimited by default. */
  timeoutMs?: number | undefined;
}

/** An accepted job, with the type of its result. */
export interface EnqueuedJob<Result = unknown> {
  readonly id: string;
  readonly type: string;
  /** duplicate: a job with the same `key` already existed, and this is its ID. */
  readonly outcome: "created" | "duplicate";
  /**
   * Waits until the job is finished and returns its result.
   * @throws JobDeadError, JobCancelledError or JobExpiredError if the job ended without a result
   * @throws ResultTimeoutError after `timeoutMs`
   */
  result(options?: ResultOptions): Promise<Result>;
}

/** The job type with a name; any job type if the client does not know the job types of the service. */
type Named<Types extends JobTypes, Name extends string> =
  string extends JobTypeName<Types> ? JobType : Extract<Types[number], { readonly type: Name }>;

/** Calls with the types of job types. */
export function createEnqueueCalls<Types extends JobTypes>(
  { call }: Transport,
  batch: boolean | BatchOptions,
) {
  const addToBatch =
    batch === false
      ? undefined
      : createBatch(
          (body) =>
            call<BulkResult>("/v1/jobs/bulk", {
              ...post(body, "application/json", {}),
              query: { atomicity: "partial" },
            }),
          batch === true ? {} : batch,
        );

  function send(request: object, write: WriteOptions): Promise<Enqueued> {
    // A key or a signal belongs to one job, not to a bulk request.
    const isAlone = write.idempotencyKey !== undefined || write.signal !== undefined;
    return addToBatch === undefined || isAlone
      ? call<AcceptedJob>("/v1/jobs", postJson(request, write))
      : addToBatch(request);
  }

  async function waitForResult<Result>(
    id: string,
    { signal, timeoutMs }: ResultOptions = {},
  ): Promise<Result> {
    const startedAt = Date.now();
    for (;;) {
      const askedAt = Date.now();
      const restMs = timeoutMs === undefined ? Infinity : timeoutMs - (askedAt - startedAt);
      if (restMs <= 0) throw new ResultTimeoutError(id, timeoutMs ?? 0);
      const wait = Math.min(waitSeconds, Math.ceil(restMs / 1000));
      const path = `/v1/jobs/${encodeURIComponent(id)}`;
      const job = await call<JobDetail>(path, { wait, signal });
      if (job.status !== "pending") return getResult(job) as Result;
      const pauseMs = Math.min(pollMs - (Date.now() - askedAt), restMs);
      if (pauseMs > 0) await pause(pauseMs, signal);
    }
  }

  /**
   * Enqueues a job. With `batch`, jobs that are enqueued at about the same time share a request, unless they have an
   * `idempotencyKey` or a `signal`.
   * @param jobType the job type, or its name if the client was created with `createClient<[typeof jobType]>`
   */
  function enqueue<Type extends JobType>(
    jobType: Type,
    data: JobInput<Type>,
    options?: EnqueueOptions,
  ): Promise<EnqueuedJob<JobResult<Type>>>;
  function enqueue<Name extends JobTypeName<Types>>(
    jobType: Name,
    data: JobInput<Named<Types, Name>>,
    options?: EnqueueOptions,
  ): Promise<EnqueuedJob<JobResult<Named<Types, Name>>>>;
  async function enqueue(
    jobType: JobType | string,
    data: unknown,
    { idempotencyKey, signal, ...options }: EnqueueOptions = {},
  ): Promise<EnqueuedJob> {
    const type = typeof jobType === "string" ? jobType : jobType.type;
    const { id, outcome } = await send({ ...options, type, data }, { idempotencyKey, signal });
    return { id, type, outcome, result: (options) => waitForResult(id, options) };
  }

  return {
    enqueue,

    /** Waits for the result of a job that was enqueued elsewhere, as `result()` of an enqueued job does. */
    waitForResult: <Type extends JobType>(
      id: string,
      options?: ResultOptions,
    ): Promise<JobResult<Type>> => waitForResult(id, options),
  };
}

function getResult(job: JobDetail): unknown {
  if (job.status === "completed") return job.result;
  if (job.status === "dead") throw new JobDeadError(job);
  if (job.status === "cancelled") throw new JobCancelledError(job);
  if (job.status === "expired") throw new JobExpiredError(job);
  throw new JobNotCompletedError(job);
}
