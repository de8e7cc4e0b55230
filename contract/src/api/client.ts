import type { z } from "zod";
import {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  InspectedDeadLetter,
  Redriven,
} from "./dead-letter.ts";
import { BulkResult, JobPage } from "./http/jobs.ts";
import { KeyPage } from "./http/keys.ts";
import { QueueCleaned, QueueDrained, QueueList } from "./http/queues.ts";
import { SchedulePage } from "./http/schedules.ts";
import { Import } from "./import.ts";
import {
  follow,
  type FollowOptions,
  toFollowedEvent,
  toFollowedImportEvent,
  toFollowedJobEvent,
} from "./follow.ts";
import type { JobStatus, RedisState } from "./job-states.ts";
import { AcceptedJob, Job, type JobChanges, JobDetail } from "./job.ts";
import type { SentEvent } from "./read-events.ts";
import type { JobRequest, JobTemplate } from "./job-request.ts";
import type { JobTypeName, JobTypes } from "./job-type.ts";
import { ApiKey, IssuedApiKey, type KeyRotation, type NewApiKeyInput } from "./api-key.ts";
import { Operation, OperationPage, OperationPreview, type OperationRequest } from "./operation.ts";
import { Problem } from "./problem.ts";
import { Queue, type QueueChange, type QueueCleaning, QueueSettings } from "./queue.ts";
import {
  type PreviewedDefinitionInput,
  Schedule,
  type ScheduleDefinitionInput,
  SchedulePreview,
} from "./schedule.ts";

export interface ClientOptions {
  baseUrl: string;
  /** API key sent with every request; not needed until the service has keys. */
  apiKey?: string;
  fetch?: (request: Request) => Promise<Response>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  /** A repeated request with the same key and body gets the original response. */
  idempotencyKey?: string;
}

export interface WaitOptions {
  /** Seconds to wait for the job to finish, at most 60. */
  wait: number;
}

export interface ListJobsQuery<Types extends JobTypes = JobTypes> {
  cursor?: string;
  /** 1 to 500; 50 by default. */
  limit?: number;
  type?: JobTypeName<Types>;
  queue?: string;
  status?: JobStatus;
  /** State in Redis; requires `queue` and excludes all other filters. */
  state?: RedisState;
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

export interface PageQuery {
  cursor?: string;
  /** 1 to 500; 50 by default. */
  limit?: number;
}

export interface ListDeadLettersQuery<Types extends JobTypes = JobTypes> extends PageQuery {
  type?: JobTypeName<Types>;
  queue?: string;
  /** A reason of the summary. */
  reason?: string;
  label?: string;
}

export interface PreviewQuery {
  /** 1 to 100; 10 by default. */
  count?: number;
  /** ISO 8601; now by default. */
  after?: string;
}

export interface ImportQuery<Types extends JobTypes = JobTypes> {
  type: JobTypeName<Types>;
  /** Name under which the items of a feed are stored. */
  source?: string;
  delimiter?: "comma" | "semicolon" | "tab";
  /** `text/csv` by default. */
  contentType?: string;
}

type Body = string | Blob | ReadableStream<Uint8Array>;

/** The error of a response whose status is not 2xx. */
export class TorilError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super([problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "TorilError";
    this.problem = problem;
  }
}

export type Client<Types extends JobTypes = JobTypes> = ReturnType<typeof createClient<Types>>;

/** A schedule whose job is of one of the job types. */
type Scheduling<Definition, Job> = Omit<Definition, "job"> & Job;

/**
 * Creates a client of the API. Requires only `fetch`: works in Bun, Node, Deno and browsers. Responses are validated by
 * their schemas. Every function throws `TorilError` for a response whose status is not 2xx.
 *
 * `createClient<typeof jobTypes>` checks job types and data at compile time, from the array of the service's job types.
 */
export function createClient<Types extends JobTypes = JobTypes>({
  baseUrl,
  apiKey,
  fetch: given,
}: ClientOptions) {
  const send = given ?? ((request: Request) => fetch(request));

  function sendTo(path: string, init: RequestInit): Promise<Response> {
    const asked = new Request(new URL(path, baseUrl).href, init);
    if (apiKey !== undefined) asked.headers.set("Authorization", `Bearer ${apiKey}`);
    return send(asked);
  }

  async function call<Schema extends z.ZodType>(
    schema: Schema,
    path: string,
    init: RequestInit & { query?: Record<string, string | number | undefined> } = {},
  ): Promise<z.output<Schema>> {
    const { query = {}, ...request } = init;
    const url = new URL(path, "http://any");
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await sendTo(url.pathname + url.search, request);
    if (!response.ok) throw new TorilError(await readProblem(response));
    return schema.parse(await response.json());
  }

  function followAt<Event>(
    path: string,
    toEvent: (sent: SentEvent) => Event,
    options: FollowOptions = {},
  ) {
    const { signal } = options;
    const connect = async (lastEventId: string | undefined) => {
      const headers = new Headers({ Accept: "text/event-stream" });
      if (lastEventId !== undefined) headers.set("Last-Event-ID", lastEventId);
      const response = await sendTo(path, { headers, ...(signal && { signal }) });
      if (!response.ok) throw new TorilError(await readProblem(response));
      return response.status === 204 ? undefined : (response.body ?? undefined);
    };
    const isPassing = (error: unknown) =>
      !(error instanceof TorilError) || error.problem.status >= 500;
    return follow(connect, toEvent, { ...options, isPassing });
  }

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
    const init = post(JSON.stringify(request), "application/json", write);
    if (wait === undefined) return call(AcceptedJob, "/v1/jobs", init);
    init.headers.set("Prefer", `wait=${wait}`);
    return call(AcceptedJob.or(Job), "/v1/jobs", init);
  }

  return {
    createJob,

    createJobs: (
      requests: readonly JobRequest<Types>[],
      { atomicity, ...write }: WriteOptions & { atomicity?: "all" | "partial" } = {},
    ) =>
      call(BulkResult, "/v1/jobs/bulk", {
        ...post(JSON.stringify(requests), "application/json", write),
        query: { atomicity },
      }),

    getJob: (id: string, { wait, ...options }: CallOptions & Partial<WaitOptions> = {}) =>
      call(JobDetail, `/v1/jobs/${encodeURIComponent(id)}`, {
        ...options,
        ...(wait === undefined ? {} : { headers: { Prefer: `wait=${wait}` } }),
      }),

    /** Yields the events of a job until the job is finished. */
    followJob: (id: string, options?: FollowOptions) =>
      followAt(`/v1/jobs/${encodeURIComponent(id)}/events`, toFollowedJobEvent, options),

    /** Yields snapshots of an import until the import is done. */
    followImport: (id: string, options?: FollowOptions) =>
      followAt(`/v1/imports/${encodeURIComponent(id)}/events`, toFollowedImportEvent, options),

    followQueue: (queue: string, options?: FollowOptions) =>
      followAt(`/v1/queues/${encodeURIComponent(queue)}/events`, toFollowedEvent, options),

    followJobs: (options?: FollowOptions) => followAt("/v1/events", toFollowedEvent, options),

    listJobs: (query: ListJobsQuery<Types> = {}, options: CallOptions = {}) =>
      call(JobPage, "/v1/jobs", { ...options, query: { ...query } }),

    /** Cancels a job; an active job is aborted. Throws if the job already has another final status. */
    cancelJob: (id: string, options: CallOptions = {}) =>
      call(Job, `/v1/jobs/${encodeURIComponent(id)}`, { ...options, method: "DELETE" }),

    /**
     * Changes the delay or priority of a job.
     * @param ifMatch the last known ETag of the job, or `*` for any version
     */
    changeJob: (id: string, ifMatch: string, changes: JobChanges, options: CallOptions = {}) =>
      call(JobDetail, `/v1/jobs/${encodeURIComponent(id)}`, {
        ...options,
        method: "PATCH",
        headers: { "Content-Type": "application/json", "If-Match": ifMatch },
        body: JSON.stringify(changes),
      }),

    /** Makes a delayed job due immediately. */
    promoteJob: (id: string, options: WriteOptions = {}) =>
      call(Job, `/v1/jobs/${encodeURIComponent(id)}/promote`, bare(options)),

    /** Retries a finished job. */
    retryJob: (id: string, options: WriteOptions = {}) =>
      call(Job, `/v1/jobs/${encodeURIComponent(id)}/retry`, bare(options)),

    /** Resolves after the body has been read; the jobs may still be pending. */
    createImport: (
      body: Body,
      { contentType = "text/csv", ...query }: ImportQuery<Types>,
      write: WriteOptions = {},
    ) => call(Import, "/v1/imports", { ...post(body, contentType, write), query: { ...query } }),

    getImport: (id: string, options: CallOptions = {}) =>
      call(Import, `/v1/imports/${encodeURIComponent(id)}`, options),

    /** Creates a schedule or replaces its definition; with `ifVersion` only if the schedule still has that version. */
    putSchedule: (
      name: string,
      definition: Scheduling<ScheduleDefinitionInput, { job: JobTemplate<Types> }>,
      { ifVersion, ...options }: CallOptions & { ifVersion?: number } = {},
    ) => {
      const request = post(JSON.stringify(definition), "application/json", options);
      if (ifVersion !== undefined) request.headers.set("If-Match", `"${ifVersion}"`);
      return call(Schedule, scheduleAt(name), { ...request, method: "PUT" });
    },

    /** Lists schedules, ordered by name. */
    listSchedules: (query: PageQuery = {}, options: CallOptions = {}) =>
      call(SchedulePage, "/v1/schedules", { ...options, query: { ...query } }),

    getSchedule: (name: string, options: CallOptions = {}) =>
      call(Schedule, scheduleAt(name), options),

    deleteSchedule: (name: string, options: CallOptions = {}) =>
      call(Schedule, scheduleAt(name), { ...options, method: "DELETE" }),

    pauseSchedule: (name: string, options: WriteOptions = {}) =>
      call(Schedule, `${scheduleAt(name)}/pause`, bare(options)),

    resumeSchedule: (name: string, options: WriteOptions = {}) =>
      call(Schedule, `${scheduleAt(name)}/resume`, bare(options)),

    /** Enqueues the job of a schedule immediately. */
    runSchedule: (name: string, options: WriteOptions = {}) =>
      call(AcceptedJob, `${scheduleAt(name)}/run`, bare(options)),

    previewSchedule: (name: string, query: PreviewQuery = {}, options: CallOptions = {}) =>
      call(SchedulePreview, `${scheduleAt(name)}/preview`, { ...options, query: { ...query } }),

    /** Previews the fire times of a definition without storing it. */
    previewDefinition: (
      definition: Scheduling<PreviewedDefinitionInput, { job?: JobTemplate<Types> }>,
      query: PreviewQuery = {},
      options: WriteOptions = {},
    ) =>
      call(SchedulePreview, "/v1/schedules/preview", {
        ...post(JSON.stringify(definition), "application/json", options),
        query: { ...query },
      }),

    listQueues: (options: CallOptions = {}) => call(QueueList, "/v1/queues", options),

    getQueue: (queue: string, options: CallOptions = {}) => call(Queue, queuePath(queue), options),

    /** Changes the limits of a queue. Omitted fields are not changed; `null` removes a limit. */
    changeQueue: (queue: string, change: QueueChange, options: CallOptions = {}) =>
      call(QueueSettings, queuePath(queue), {
        ...post(JSON.stringify(change), "application/json", options),
        method: "PATCH",
      }),

    pauseQueue: (queue: string, options: WriteOptions = {}) =>
      call(QueueSettings, `${queuePath(queue)}/pause`, bare(options)),

    resumeQueue: (queue: string, options: WriteOptions = {}) =>
      call(QueueSettings, `${queuePath(queue)}/resume`, bare(options)),

    /** Processes one batch. Repeat with `next` as the cursor until `next` is null. */
    drainQueue: (
      queue: string,
      query: { delayed?: boolean; cursor?: string } = {},
      options: WriteOptions = {},
    ) =>
      call(QueueDrained, `${queuePath(queue)}/drain`, {
        ...bare(options),
        query: { ...query, delayed: query.delayed?.toString() },
      }),

    /** Processes one batch. Repeat with `next` as the cursor until `next` is null. */
    cleanQueue: (
      queue: string,
      cleaning: QueueCleaning,
      query: { cursor?: string } = {},
      options: WriteOptions = {},
    ) =>
      call(QueueCleaned, `${queuePath(queue)}/clean`, {
        ...post(JSON.stringify(cleaning), "application/json", options),
        query,
      }),

    /** Lists jobs that used all their attempts or failed with a non-retryable error. */
    listDeadLetters: (query: ListDeadLettersQuery<Types> = {}, options: CallOptions = {}) =>
      call(DeadLetterPage, "/v1/dead-letters", { ...options, query: { ...query } }),

    summarizeDeadLetters: (options: CallOptions = {}) =>
      call(DeadLetterSummary, "/v1/dead-letters/summary", options),

    getDeadLetter: (id: string, options: CallOptions = {}) =>
      call(InspectedDeadLetter, `/v1/dead-letters/${encodeURIComponent(id)}`, options),

    redriveDeadLetter: (id: string, options: WriteOptions = {}) =>
      call(Job, `/v1/dead-letters/${encodeURIComponent(id)}/redrive`, bare(options)),

    /** Redrives up to 1,000 dead letters by ID. To redrive by filter, use `createOperation`. */
    redriveDeadLetters: (ids: readonly string[], options: WriteOptions = {}) =>
      call(
        Redriven,
        "/v1/dead-letters/redrive",
        post(JSON.stringify({ ids }), "application/json", options),
      ),

    deleteDeadLetter: (id: string, options: CallOptions = {}) =>
      call(DeadLetter, `/v1/dead-letters/${encodeURIComponent(id)}`, {
        ...options,
        method: "DELETE",
      }),

    /** Starts a background operation on many jobs. */
    createOperation: (request: Omit<OperationRequest, "dryRun">, options: WriteOptions = {}) =>
      call(Operation, "/v1/operations", post(JSON.stringify(request), "application/json", options)),

    /** Counts the jobs that an operation would affect. */
    previewOperation: (request: Omit<OperationRequest, "dryRun">, options: WriteOptions = {}) =>
      call(
        OperationPreview,
        "/v1/operations",
        post(JSON.stringify({ ...request, dryRun: true }), "application/json", options),
      ),

    listOperations: (query: PageQuery = {}, options: CallOptions = {}) =>
      call(OperationPage, "/v1/operations", { ...options, query: { ...query } }),

    getOperation: (id: string, options: CallOptions = {}) =>
      call(Operation, `/v1/operations/${encodeURIComponent(id)}`, options),

    stopOperation: (id: string, options: WriteOptions = {}) =>
      call(Operation, `/v1/operations/${encodeURIComponent(id)}/stop`, bare(options)),

    /** Creates an API key. The key itself is only returned in this response. */
    createKey: (key: NewApiKeyInput, write: WriteOptions = {}) =>
      call(IssuedApiKey, "/v1/keys", post(JSON.stringify(key), "application/json", write)),

    listKeys: (query: PageQuery = {}, options: CallOptions = {}) =>
      call(KeyPage, "/v1/keys", { ...options, query: { ...query } }),

    getKey: (id: string, options: CallOptions = {}) =>
      call(ApiKey, `/v1/keys/${encodeURIComponent(id)}`, options),

    rotateKey: (id: string, rotation: z.input<typeof KeyRotation> = {}, write: WriteOptions = {}) =>
      call(
        IssuedApiKey,
        `/v1/keys/${encodeURIComponent(id)}/rotate`,
        post(JSON.stringify(rotation), "application/json", write),
      ),

    revokeKey: (id: string, options: CallOptions = {}) =>
      call(ApiKey, `/v1/keys/${encodeURIComponent(id)}`, { ...options, method: "DELETE" }),
  };
}

function queuePath(queue: string) {
  return `/v1/queues/${encodeURIComponent(queue)}`;
}

function scheduleAt(name: string) {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}

function bare({ idempotencyKey, signal }: WriteOptions) {
  return {
    method: "POST",
    ...(idempotencyKey === undefined ? {} : { headers: { "Idempotency-Key": idempotencyKey } }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function post(body: Body, contentType: string, { idempotencyKey, signal }: WriteOptions) {
  const headers = new Headers({ "Content-Type": contentType });
  if (idempotencyKey !== undefined) headers.set("Idempotency-Key", idempotencyKey);
  const isStream = body instanceof ReadableStream;
  return {
    method: "POST",
    headers,
    body,
    ...(signal === undefined ? {} : { signal }),
    ...(isStream ? { duplex: "half" as const } : {}),
  };
}

async function readProblem(response: Response): Promise<Problem> {
  const parsed = Problem.loose().safeParse(await response.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  return {
    type: "about:blank",
    title: response.statusText || "No problem document",
    status: response.status,
  };
}
