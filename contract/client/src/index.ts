import { createAdminCalls } from "./admin.ts";
import type { BatchOptions } from "./batch.ts";
import { createEnqueueCalls } from "./enqueue.ts";
import { createGraphCalls } from "./graphs.ts";
import { createImportCalls } from "./imports/imports.ts";
import { createJobCalls } from "./jobs.ts";
import type { JobTypes } from "./job-types.ts";
import { createOperationCalls } from "./operations.ts";
import { createRegisteredTypeCalls } from "./registered-types.ts";
import { createFeedCalls } from "./feeds.ts";
import { createScheduleCalls } from "./schedules.ts";
import { type ConnectionOptions, createTransport } from "./transport.ts";
import { createWebhookCalls } from "./webhooks.ts";
import { createWorkerCalls } from "./workers.ts";

export type {
  AcceptedGraph,
  AcceptedJob,
  ApiKey,
  ApiKeyChange,
  Attempt,
  AuditEntry,
  AuditPage,
  Backoff,
  BulkEntry,
  BulkResult,
  CheckedJob,
  ChildCounts,
  ChildPage,
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  EventGap,
  FailurePolicy,
  Import,
  ImportDefinition,
  ImportPage,
  ImportPart,
  ImportPartPage,
  InspectedDeadLetter,
  IssuedApiKey,
  Job,
  JobChanges,
  JobDetail,
  JobError,
  JobEvent,
  JobPage,
  JobState,
  JobStatus,
  KeyPage,
  KeyPolicy,
  KeyRotation,
  NewApiKey,
  JobTypeDescription,
  JobTypePage,
  JobTypeRegistration,
  Operation,
  OperationPage,
  OperationPreview,
  OperationRequest,
  Overview,
  OverviewHistory,
  Principal,
  Queue,
  QueueChange,
  QueueCleaned,
  QueueCleaning,
  QueueDrained,
  QueueList,
  QueueSettings,
  QuotaUse,
  Readiness,
  Redriven,
  Feed,
  FeedFetchData,
  FeedPage,
  Schedule,
  ScheduleDefinition,
  SchedulePage,
  SchedulePreview,
  Webhook,
  WebhookDefinition,
  WebhookDelivery,
} from "./api-types.ts";
export type { Graph, GraphChild, ListChildrenQuery } from "./graphs.ts";
export type { BatchOptions } from "./batch.ts";
export type { EnqueuedJob, EnqueueOptions, ResultOptions } from "./enqueue.ts";
export {
  ConnectionError,
  JobCancelledError,
  JobDeadError,
  JobExpiredError,
  JobNotCompletedError,
  type Problem,
  ResultTimeoutError,
  TorilError,
} from "./errors.ts";
export type {
  FollowedEvent,
  FollowedImportEvent,
  FollowedJobEvent,
  FollowedOverviewEvent,
  FollowOptions,
} from "./follow.ts";
export { splitCsv, type SplitCsvOptions } from "./imports/split-csv.ts";
export type { FilePart, FilePart as CsvPart } from "./imports/split-file.ts";
export { splitNdjson, type SplitNdjsonOptions } from "./imports/split-ndjson.ts";
export {
  type ImportQuery,
  type ListImportsQuery,
  type NewImport,
  type SentImportPart,
  xlsxMediaType,
} from "./imports/imports.ts";
export type { BulkOptions, ListJobsQuery, WaitOptions } from "./jobs.ts";
export type {
  JobInput,
  JobOptions,
  JobRequest,
  JobTemplate,
  JobType,
  JobTypeName,
  JobTypes,
  Sent,
  JobResult,
  TypedSchema,
} from "./job-types.ts";
export type { ListDeadLettersQuery } from "./operations.ts";
export type { RetryOptions } from "./retry.ts";
export type { PreviewQuery } from "./schedules.ts";
export type { ListAuditQuery } from "./admin.ts";
export type { ListDeliveriesQuery } from "./webhooks.ts";
export type { Body, CallOptions, PageQuery, PutOptions, WriteOptions } from "./transport.ts";

export interface ClientOptions extends ConnectionOptions {
  /** Sends the jobs of `enqueue` that come at about the same time as one bulk request; `false` by default. */
  batch?: boolean | BatchOptions;
}

export type Client<Types extends JobTypes = JobTypes> = ReturnType<typeof createClient<Types>>;

/**
 * Creates a client of the API. Has no dependencies and requires only `fetch`: works in Bun, Node, Deno, browsers and edge
 * runtimes. Responses have the types of the contract and are not validated. Every function throws `TorilError` for a
 * response whose status is not 2xx, and `ConnectionError` if none arrived, after the retries that `retry` permits.
 *
 * `createClient<typeof jobTypes>` checks job types and data at compile time, from the array of the service's job types.
 */
export function createClient<Types extends JobTypes = JobTypes>(options: ClientOptions) {
  const transport = createTransport(options);
  return {
    ...createEnqueueCalls<Types>(transport, options.batch ?? false),
    ...createJobCalls<Types>(transport),
    ...createGraphCalls<Types>(transport),
    ...createImportCalls<Types>(transport),
    ...createScheduleCalls<Types>(transport),
    ...createFeedCalls(transport),
    ...createOperationCalls<Types>(transport),
    ...createRegisteredTypeCalls(transport),
    ...createWorkerCalls(transport),
    ...createAdminCalls(transport),
    ...createWebhookCalls(transport),
  };
}
