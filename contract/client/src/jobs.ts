import type {
  AcceptedJob,
  BulkResult,
  CheckedJob,
  Job,
  JobChanges,
  JobDetail,
  JobPage,
  JobState,
  JobStatus,
} from "./api-types.ts";
import { type FollowOptions, toFollowedEvent, toFollowedJobEvent } from "./follow.ts";
import type { JobRequest, JobTypeName, JobTypes, Sent } from "./job-types.ts";
import {
  type CallOptions,
  postEmpty,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export interface WaitOptions {
  /** Seconds to wait for the job to finish, at most 60. */
  wait: number;
}

export interface BulkOptions<Types extends JobTypes = JobTypes> {
  /** `all` by default: one rejected entry rejects all. */
  atomicity?: "all" | "partial";
  /** Callback URL of all entries that have none of their own. */
  callbackUrl?: string;
  /** A job that runs when all created jobs have ended, whatever their final status. */
  then?: JobRequest<Types>;
}

export interface ListJobsQuery<Types extends JobTypes = JobTypes> {
  cursor?: string;
  /** 1 to 500; 50 by default. */
  limit?: number;
  type?: JobTypeName<Types>;
  queue?: string;
  status?: JobStatus;
  /** Live state of pending jobs. */
  state?: JobState;
  key?: string;
  label?: string;
  schedule?: string;
  importId?: string;
  /** ISO 8601 */
  createdAfter?: string;
  createdBefore?: string;
  /** payload: omits `data` and `result` (both are null). */
  omit?: "payload";
  /** Value of a searchable field of the job type. */
  [field: `data.${string}`]: string;
}

/** Calls about jobs and event streams. */
export function createJobCalls<Types extends JobTypes>({ call, followAt }: Transport) {
  function createJob(request: JobRequest<Types>, write?: WriteOptions): Promise<AcceptedJob>;
  /** Returns a `Job` (with `settledAt`) if the job finished within the wait time. */
  function createJob(
    request: JobRequest<Types>,
    write: WriteOptions & WaitOptions,
  ): Promise<AcceptedJob | Job>;
  function createJob(
    request: JobRequest<Types>,
    { wait, ...write }: WriteOptions & Partial<WaitOptions> = {},
  ): Promise<AcceptedJob | Job> {
    return call<AcceptedJob | Job>("/v1/jobs", { ...postJson(request, write), wait });
  }

  return {
    createJob,

    /** Validates a request without enqueueing a job. Throws if the service would refuse it. */
    checkJob: (request: JobRequest<Types>, options: WriteOptions = {}) =>
      call<CheckedJob>("/v1/jobs", { ...postJson(request, options), query: { dryRun: "true" } }),

    createJobs: (
      requests: readonly JobRequest<Types>[],
      { atomicity, callbackUrl, then, ...write }: WriteOptions & BulkOptions<Types> = {},
    ) =>
      call<BulkResult>("/v1/jobs/bulk", {
        ...postJson(requests, write),
        query: { atomicity, callbackUrl, then: then && JSON.stringify(then) },
      }),

    getJob: (id: string, { wait, ...options }: CallOptions & Partial<WaitOptions> = {}) =>
      call<JobDetail>(`/v1/jobs/${encodeURIComponent(id)}`, { ...options, wait }),

    /** Yields the events of a job until the job is finished. */
    followJob: (id: string, options?: FollowOptions) =>
      followAt(`/v1/jobs/${encodeURIComponent(id)}/events`, toFollowedJobEvent, options),

    followQueue: (queue: string, options?: FollowOptions) =>
      followAt(`/v1/queues/${encodeURIComponent(queue)}/events`, toFollowedEvent, options),

    followJobs: (options?: FollowOptions) => followAt("/v1/events", toFollowedEvent, options),

    listJobs: (query: ListJobsQuery<Types> = {}, options: CallOptions = {}) =>
      call<JobPage>("/v1/jobs", { ...options, query: { ...query } }),

    /** Cancels a job; an active job is aborted. Throws if the job already has another final status. */
    cancelJob: (id: string, options: CallOptions = {}) =>
      call<Job>(`/v1/jobs/${encodeURIComponent(id)}`, { ...options, method: "DELETE" }),

    /**
     * Changes the delay or priority of a job.
     * @param ifMatch the last known ETag of the job, or `*` for any version
     */
    changeJob: (
      id: string,
      ifMatch: string,
      changes: Sent<JobChanges>,
      options: CallOptions = {},
    ) =>
      call<JobDetail>(`/v1/jobs/${encodeURIComponent(id)}`, {
        ...options,
        method: "PATCH",
        headers: { "Content-Type": "application/json", "If-Match": ifMatch },
        body: JSON.stringify(changes),
      }),

    /** Makes a delayed job due immediately. */
    promoteJob: (id: string, options: WriteOptions = {}) =>
      call<Job>(`/v1/jobs/${encodeURIComponent(id)}/promote`, postEmpty(options)),

    /** Retries a finished job. */
    retryJob: (id: string, options: WriteOptions = {}) =>
      call<Job>(`/v1/jobs/${encodeURIComponent(id)}/retry`, postEmpty(options)),
  };
}
