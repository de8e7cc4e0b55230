import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  integer,
  json,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { FailurePolicy } from "../../api/jobs/graph.ts";
import type {
  Import,
  ImportDefinition,
  ImportPartStatus,
  StoredImportStatus,
} from "../../api/import.ts";
import type { JobStatus } from "../../api/jobs/job-states.ts";
import type { JobOptions } from "../../api/jobs/job-options.ts";
import type { JobError, JobLogLine, AttemptError } from "../../api/jobs/job.ts";
import type { JobSelection, Operation, OperationAction } from "../../api/operation.ts";
import type { PushEndpoint } from "../../api/push-endpoint.ts";
import type { Quotas } from "../../api/access/quota.ts";
import type { Schedule, ScheduleRun } from "../../api/schedule.ts";
import type { Scope } from "../../api/access/scope.ts";
import type { Webhook, WebhookEvent } from "../../api/webhooks/webhook.ts";
import type { WebhookDelivery } from "../../api/webhooks/delivery.ts";
import type { Restrictions } from "../jobs/change/select.ts";
import type { StoredRegistration } from "../job-types/to-job-type.ts";
import type { StoredDefinition } from "../schedules/template.ts";

/**
 * The schema. A property is a column: drizzle names the column by the property, in snake case, and statements select it
 * `as` the property (`run_at as "runAt"`). The types of rows are picked from the `...Columns` types at the end, so that
 * renaming a column breaks every statement that reads it. Statements read `bigint` columns as `float8`.
 */
const time = () => timestamp({ withTimezone: true });
const tenant = () => text().notNull().default("default");

/** Accepted jobs and their outcomes. Redis has the state of pending jobs. */
export const jobs = pgTable(
  "jobs",
  {
    id: uuid().primaryKey(),
    tenant: tenant(),
    queue: text().notNull(),
    type: text().notNull(),
    key: text(),
    status: text().$type<JobStatus>().notNull().default("pending"),
    /** Incremented by a retry; part of every compare-and-set. */
    generation: integer().notNull().default(0),
    /**
     * Attempts started after Redis lost this generation whose outcome is unknown: active, or lost with their consumer.
     * Attempts of jobs that Redis never lost are not recorded here; BullMQ counts their stalls.
     */
    lostAttempts: integer().notNull().default(0),
    data: jsonb().notNull(),
    options: jsonb().$type<JobOptions>().notNull(),
    runAt: time(),
    importId: uuid(),
    /** The API key whose quota limits its number of pending jobs. */
    quotaKey: text(),
    /** When the job expires if no attempt has started. */
    expiresAt: time(),
    labels: text().array(),
    /** Name of the schedule that created the job. */
    schedule: text(),
    /** The job that waits for this job. */
    parentId: uuid(),
    /** What happens to the parent if this job ends without completing. */
    onFailure: text().$type<FailurePolicy>(),
    /** Null for a job without children. While true, the job is not dispatched. */
    waitingChildren: boolean(),
    /** Where the end of the job is reported. */
    callbackUrl: text(),
    /** The webhook that permits `callbackUrl` and signs the requests. */
    callbackWebhook: uuid(),
    trace: text(),
    attempts: integer().notNull().default(0),
    /** Start of the last attempt, written when it is settled; `failures` has the earlier attempts. */
    startedAt: time(),
    durationMs: integer(),
    /** The consumer that ran the last attempt. */
    worker: text(),
    result: jsonb(),
    error: jsonb().$type<JobError>(),
    /** Reason of a dead letter: `toDeadLetterReason` of the error; null for other jobs. */
    reason: text(),
    /** Errors of its attempts, bounded in number and size. */
    failures: jsonb().$type<AttemptError[]>(),
    /** The last log lines of its handler. */
    log: jsonb().$type<JobLogLine[]>(),
    /** Outcomes of earlier generations, oldest first. */
    history: jsonb().$type<unknown[]>(),
    createdAt: time().notNull().defaultNow(),
    settledAt: time(),
  },
  (table) => [
    uniqueIndex("jobs_pending_key")
      .on(table.tenant, table.type, table.key)
      .where(sql`status = 'pending' and key is not null`),
    index("jobs_pending")
      .on(table.id)
      .where(sql`status = 'pending'`),
    // For operations on a tenant's pending jobs, which must not read those of other tenants.
    index("jobs_pending_tenant")
      .on(table.tenant, table.id)
      .where(sql`status = 'pending'`),
    // A partial index: an index of all jobs adds a twentieth to the cost of accepting a job.
    index("jobs_type")
      .on(table.tenant, table.type, table.id)
      .where(sql`status = 'completed'`),
    index("jobs_ended")
      .on(table.tenant, table.status, table.id)
      .where(sql`status in ('dead', 'cancelled', 'expired')`),
    index("jobs_key")
      .on(table.tenant, table.key, table.id)
      .where(sql`key is not null`),
    index("jobs_import")
      .on(table.importId, table.id)
      .where(sql`import_id is not null`),
    index("jobs_quota")
      .on(table.quotaKey)
      .where(sql`status = 'pending' and quota_key is not null`),
    index("jobs_dead_reason")
      .on(table.tenant, table.type, table.reason, table.id)
      .where(sql`status = 'dead'`),
    index("jobs_parent")
      .on(table.parentId, table.status, table.id)
      .where(sql`parent_id is not null`),
    index("jobs_waiting_children")
      .on(table.id)
      .where(sql`status = 'pending' and waiting_children`),
    index("jobs_expiring")
      .on(table.expiresAt, table.id)
      .where(sql`status = 'pending' and expires_at is not null`),
  ],
);

/**
 * Jobs with children that the leader of the consumers has to look at: a child ended, or the job ended while it waited.
 * Written in the transaction of the change, so that none is lost.
 */
export const graphEvents = pgTable(
  "graph_events",
  {
    seq: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    parentId: uuid().notNull(),
    /** The child that ended; null if the job itself changed. */
    childId: uuid(),
    /** The policy of a child that ended without completing. */
    failure: text().$type<FailurePolicy>(),
  },
  (table) => [
    index("graph_events_failed")
      .on(table.parentId)
      .where(sql`failure is not null`),
  ],
);

/** Pending jobs whose dispatch failed, a hint: the leader of the consumers dispatches them before it checks other jobs. */
export const undispatchedJobs = pgTable("undispatched_jobs", { jobId: uuid().primaryKey() });

/** Where the leader of the consumers is in its pass over the pending jobs: the next leader continues there. One row. */
export const reconcilerProgress = pgTable("reconciler_progress", {
  id: smallint().primaryKey(),
  /** The pass has checked the jobs up to this id. */
  lastId: uuid().notNull(),
});

/** Search terms of jobs; none for a job without labels and searchable fields. */
export const jobTerms = pgTable(
  "job_terms",
  {
    tenant: tenant(),
    /** Built by `labelTerm`, `fieldTerm` or `scheduleTerm`. */
    term: text().notNull(),
    jobId: uuid().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.term, table.jobId] }),
    index("job_terms_job").on(table.jobId),
  ],
);

/** Deduplication windows: until when a key is taken, and by which job. */
export const dedupWindows = pgTable(
  "dedup_windows",
  {
    tenant: tenant(),
    type: text().notNull(),
    key: text().notNull(),
    jobId: uuid().notNull(),
    until: time().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.type, table.key] }),
    index("dedup_windows_until").on(table.until),
  ],
);

/** Queue settings by operators. The reconciler applies them to Redis again after Redis lost them. */
export const queueSettings = pgTable("queue_settings", {
  queue: text().primaryKey(),
  paused: boolean().notNull().default(false),
  concurrency: integer(),
  rateMax: integer(),
  rateDurationMs: integer(),
  updatedAt: time().notNull().defaultNow(),
});
/** Schedules, which create jobs repeatedly. Redis has no schedule data. */
export const schedules = pgTable(
  "schedules",
  {
    tenant: tenant(),
    name: text().notNull(),
    /** Changes with every definition; the secrets of the job template are bound to it. */
    id: uuid().notNull(),
    /** Type of its jobs. */
    type: text().notNull(),
    definition: jsonb().$type<StoredDefinition>().notNull(),
    /** Who wrote the definition last: `api` or `file`. */
    source: text().$type<Schedule["source"]>().notNull(),
    paused: boolean().notNull().default(false),
    /** The API key that wrote the definition, if the key has quotas; they count the schedule's jobs. */
    quotaKey: text(),
    /** Null while the schedule is paused, and after its last fire time. */
    nextAt: time(),
    /** Fire time of a job that the quota refused; retried at `next_at`. */
    deferredFireTime: time(),
    /** The last fire time that was processed. */
    lastFireTime: time(),
    /** Detects overlaps: the last job may still be pending. */
    lastJobId: uuid(),
    lastRun: jsonb().$type<ScheduleRun>(),
    version: integer().notNull().default(1),
    createdAt: time().notNull().defaultNow(),
    updatedAt: time().notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.name] }),
    index("schedules_due")
      .on(table.nextAt)
      .where(sql`next_at is not null`),
    // For fairness: finds the tenants with due schedules, and the due schedules of each tenant.
    index("schedules_tenant_due")
      .on(table.tenant, table.nextAt)
      .where(sql`next_at is not null`),
  ],
);

/** The original response to a request with an Idempotency-Key; null while the request is in progress. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    tenant: tenant(),
    key: text().notNull(),
    requestHash: text().notNull(),
    status: smallint(),
    /** `json`, not `jsonb`: a replay returns the original response byte for byte. */
    body: json(),
    createdAt: time().notNull().defaultNow(),
    /** When the response was stored; before, when the owner last renewed its claim. */
    touchedAt: time().notNull().defaultNow(),
    /** The request that holds the claim, if it takes several transactions. */
    owner: uuid(),
    /** Hash of the first `body_bytes` of a streamed body, or of the whole body once it is read. */
    bodyHash: text(),
    /** How much of the body had been read when `import_id` was last saved. */
    bodyBytes: bigint({ mode: "number" }),
    /** The import that the request began; a repeated request resumes it. */
    importId: uuid(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.key] }),
    index("idempotency_keys_touched").on(table.touchedAt),
  ],
);

/**
 * The newest id that retention has deleted for each tenant: a missing older id may have been deleted. Ids ascend with
 * time.
 */
export const retentionMarks = pgTable(
  "retention_marks",
  {
    tenant: tenant(),
    /** `job` or `import`. */
    what: text().$type<"job" | "import">().notNull(),
    newest: uuid().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.what] })],
);

/** How the rows of an import's parts are read. */
export interface ImportHeader {
  /** Null: `column1`, `column2` ... */
  columns: readonly string[] | null;
  charset: string;
}

/** Uploaded files. The counts change in the same transaction as the jobs. */
export const imports = pgTable(
  "imports",
  {
    id: uuid().primaryKey(),
    tenant: tenant(),
    type: text().notNull(),
    status: text().$type<StoredImportStatus>().notNull().default("receiving"),
    read: integer().notNull().default(0),
    accepted: integer().notNull().default(0),
    duplicate: integer().notNull().default(0),
    rejected: integer().notNull().default(0),
    completed: integer().notNull().default(0),
    dead: integer().notNull().default(0),
    cancelled: integer().notNull().default(0),
    expired: integer().notNull().default(0),
    errors: jsonb().$type<Import["errors"]>().notNull().default([]),
    /** Definition of an import in parts; null for a file in one request. */
    definition: jsonb().$type<ImportDefinition>(),
    /** How the rows of all parts are read; null until part 1 has begun, unless the definition says it. */
    header: jsonb().$type<ImportHeader>(),
    /** Rows are validated only. */
    dryRun: boolean().notNull().default(false),
    /** Number of parts, known when the import is completed. */
    parts: integer(),
    /** As in `jobs`. */
    callbackUrl: text(),
    callbackWebhook: uuid(),
    /** The job that waits until the import is done. */
    thenJob: uuid(),
    createdAt: time().notNull().defaultNow(),
    /** When the last chunk arrived, to detect imports abandoned by a crashed producer. */
    touchedAt: time().notNull().defaultNow(),
  },
  (table) => [
    index("imports_tenant").on(table.tenant, table.id),
    uniqueIndex("imports_then_job")
      .on(table.thenJob)
      .where(sql`then_job is not null`),
  ],
);

/**
 * Parts of imports. The counts change in the same transaction as the jobs; those of a received part are added to the
 * import, so that parallel parts do not wait for one row.
 */
export const importParts = pgTable(
  "import_parts",
  {
    importId: uuid().notNull(),
    part: integer().notNull(),
    status: text().$type<ImportPartStatus>().notNull().default("receiving"),
    /** SHA-256 of the body in hexadecimal. */
    digest: text().notNull(),
    bytes: integer().notNull(),
    /** Offset of the first byte in the file. */
    position: bigint({ mode: "number" }),
    /** Size of the file; null if the request did not say it. */
    fileBytes: bigint({ mode: "number" }),
    /** Whether a row ends with the body: otherwise the next part may continue the row. */
    endsRow: boolean().notNull().default(true),
    read: integer().notNull().default(0),
    accepted: integer().notNull().default(0),
    duplicate: integer().notNull().default(0),
    rejected: integer().notNull().default(0),
    errors: jsonb().$type<Import["errors"]>().notNull().default([]),
    /** The request that receives the part. Another may take over when this one was not touched for long. */
    owner: uuid().notNull(),
    touchedAt: time().notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.importId, table.part] })],
);

/** Rejected rows, up to a limit per file and part. */
export const importErrors = pgTable(
  "import_errors",
  {
    importId: uuid().notNull(),
    /** 0 for a file in one request. */
    part: integer().notNull(),
    /** Number of the row in the file or in its part. */
    row: integer().notNull(),
    line: integer().notNull(),
    /** Problem type. */
    type: text().notNull(),
    /** JSON Pointer into the job request. */
    field: text(),
    reason: text().notNull(),
    /** The row itself, truncated. */
    text: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.importId, table.part, table.row] })],
);

/** Bulk operations, executed in batches. Counts and cursor change in the same transaction as the jobs. */
export const operations = pgTable(
  "operations",
  {
    id: uuid().primaryKey(),
    tenant: tenant(),
    action: text().$type<OperationAction>().notNull(),
    filter: jsonb().$type<JobSelection>().notNull(),
    /** The queues and types that the API key of its creator may access. */
    restrictions: jsonb().$type<Restrictions>().notNull(),
    ratePerSecond: integer(),
    /** API key of its creator, if the key has quotas; they count the retried jobs. */
    quotaKey: text(),
    status: text().$type<Operation["status"]>().notNull().default("pending"),
    /** The last job that was examined. */
    cursor: uuid(),
    seen: integer().notNull().default(0),
    changed: integer().notNull().default(0),
    skipped: integer().notNull().default(0),
    failed: integer().notNull().default(0),
    error: text(),
    isStopping: boolean().notNull().default(false),
    /** The producer that executes the operation; others may take over when the lease expires. */
    holder: uuid(),
    leaseUntil: time(),
    createdAt: time().notNull().defaultNow(),
    endedAt: time(),
  },
  (table) => [
    index("operations_open")
      .on(table.tenant, table.leaseUntil.asc().nullsFirst(), table.id)
      .where(sql`status in ('pending', 'running')`),
    index("operations_tenant").on(table.tenant, table.id),
    index("operations_ended")
      .on(table.endedAt)
      .where(sql`ended_at is not null`),
  ],
);

/** Rows written by the handler of `row.import`. */
export const importedRows = pgTable(
  "imported_rows",
  {
    tenant: tenant(),
    importId: uuid().notNull(),
    row: integer().notNull(),
    values: jsonb().notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.importId, table.row] })],
);

/** Items written by the handler of `feed.item`. */
export const feedItems = pgTable(
  "feed_items",
  {
    tenant: tenant(),
    source: text().notNull(),
    guid: text().notNull(),
    item: jsonb().notNull(),
    createdAt: time().notNull().defaultNow(),
    changedAt: time().notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.source, table.guid] })],
);

/** Fetched feeds, each under the source name of its items. */
export const feeds = pgTable(
  "feeds",
  {
    tenant: tenant(),
    source: text().notNull(),
    url: text().notNull(),
    /** URL after redirects; etag and last_modified are valid only for this URL. */
    finalUrl: text(),
    etag: text(),
    lastModified: text(),
    /** HTTP status of the last response. */
    status: smallint(),
    lastError: text(),
    /** Number of consecutive failures. */
    failures: integer().notNull().default(0),
    /** When the last fetch ended. */
    fetchedAt: time(),
    /** New and changed items of the last fetch; null if it failed. */
    newItems: integer(),
    changedItems: integer(),
    /** Address that permanent redirects lead to; later fetches start there. */
    movedTo: text(),
    /** When the server answered 410 Gone: later jobs do not fetch the feed. */
    endedAt: time(),
    /** No fetch before this time: Retry-After, or max-age of Cache-Control. */
    notBefore: time(),
    /** Incremented when a fetch begins, and by a fetch that a later one overtook. */
    fetches: integer().notNull().default(0),
    /** `fetches` at the beginning of the latest fetch that has ended. */
    endedFetch: integer().notNull().default(0),
    createdAt: time().notNull().defaultNow(),
  },
  (table) => [
    // A URL may exceed the maximum size of an index entry.
    uniqueIndex("feeds_identity").on(table.tenant, table.source, sql`md5(url)`),
  ],
);

/** API keys. Only hashes are stored, never the keys themselves. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: text().primaryKey(),
    tenant: tenant(),
    name: text().notNull(),
    scopes: jsonb().$type<Scope[]>().notNull(),
    queues: jsonb().$type<string[]>(),
    types: jsonb().$type<string[]>(),
    quotas: jsonb().$type<Quotas>(),
    hash: text().notNull(),
    previousHash: text(),
    previousUntil: time(),
    createdAt: time().notNull().defaultNow(),
    expiresAt: time(),
    lastUsedAt: time(),
    rotatedAt: time(),
    revokedAt: time(),
    /** Revision of the last change; producers poll for newer revisions. */
    revision: bigint({ mode: "number" }).notNull(),
  },
  (table) => [
    uniqueIndex("api_keys_revision").on(table.revision),
    index("api_keys_tenant").on(table.tenant, table.id),
  ],
);

/** Job types that clients registered. */
export const jobTypes = pgTable(
  "job_types",
  {
    tenant: tenant(),
    type: text().notNull(),
    /** Belongs to one tenant, and has one kind of worker. */
    queue: text().notNull(),
    definition: jsonb().$type<StoredRegistration>().notNull(),
    version: integer().notNull().default(1),
    /** Revision of the last change; producers and consumers poll for newer revisions. */
    revision: bigint({ mode: "number" }).notNull(),
    createdAt: time().notNull().defaultNow(),
    updatedAt: time().notNull().defaultNow(),
    /** A deleted type remains, because its ended jobs may contain secrets. */
    deletedAt: time(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.type] }),
    uniqueIndex("job_types_revision").on(table.revision),
    index("job_types_queue").on(table.queue),
  ],
);

/** Endpoints that receive events. Statements that end jobs join them, so there is no separate outbox process. */
export const webhooks = pgTable(
  "webhooks",
  {
    tenant: tenant(),
    name: text().notNull(),
    /** Part of the ids of its deliveries; a new definition keeps it. */
    id: uuid().notNull(),
    url: text().notNull(),
    events: text().array().$type<WebhookEvent[]>().notNull(),
    types: text().array(),
    queues: text().array(),
    labels: text().array(),
    /** Sealed if the service has encryption keys. */
    secret: text().notNull(),
    previousSecret: text(),
    previousUntil: time(),
    isEnabled: boolean().notNull().default(true),
    disabledReason: text().$type<Webhook["disabledReason"]>(),
    disabledAt: time(),
    /** Time of the first failed attempt since the last successful one. */
    failingSince: time(),
    /** The endpoint asked for a pause until then, with Retry-After. */
    pausedUntil: time(),
    version: integer().notNull().default(1),
    createdAt: time().notNull().defaultNow(),
    updatedAt: time().notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.name] }),
    uniqueIndex("webhooks_id").on(table.id),
  ],
);

/** State of the endpoints of job types with the worker `push`; their URLs are in the types. */
export const pushEndpoints = pgTable(
  "push_endpoints",
  {
    tenant: tenant(),
    type: text().notNull(),
    /** Secrets are sealed for this id. */
    id: uuid().notNull(),
    /** Sealed if the service has encryption keys. */
    secret: text().notNull(),
    previousSecret: text(),
    previousUntil: time(),
    isEnabled: boolean().notNull().default(true),
    disabledAt: time(),
    /** Consecutive failed attempts. */
    failures: integer().notNull().default(0),
    lastError: text(),
    /** No job is sent until then: the circuit is open, or the endpoint asked for a pause. */
    pausedUntil: time(),
    pauseReason: text().$type<PushEndpoint["pauseReason"]>(),
    /** Counts resets. A response to a request of an earlier version changes nothing. */
    version: integer().notNull().default(1),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.type] })],
);

/** Events to send and sent ones, one row per event and webhook. */
export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    /** A hash of the event and the webhook: an event that is recorded again has the same id. */
    id: uuid().primaryKey(),
    webhookId: uuid().notNull(),
    event: text().$type<WebhookDelivery["event"]>().notNull(),
    /** The callback URL of a job or an import; null: the URL of the webhook. */
    url: text(),
    /** `json`, not `jsonb`: the body of each attempt is the same to the byte. */
    payload: json().notNull(),
    attempts: integer().notNull().default(0),
    /** When the next attempt is due, or while one is in progress, when another process may repeat it; null after the last. */
    nextAt: time(),
    attemptedAt: time(),
    deliveredAt: time(),
    /** HTTP status of the last response. */
    responseStatus: smallint(),
    /** First bytes of the last response. */
    responseBody: text(),
    latencyMs: integer(),
    error: text(),
    createdAt: time().notNull().defaultNow(),
    /** When the event was recorded or last replayed: after some time the event is no longer retried. */
    dueSince: time().notNull().defaultNow(),
  },
  (table) => [
    index("webhook_deliveries_due")
      .on(table.webhookId, table.nextAt)
      .where(sql`next_at is not null`),
    index("webhook_deliveries_webhook").on(table.webhookId, table.createdAt, table.id),
    index("webhook_deliveries_created").on(table.createdAt),
  ],
);

/** Administrative changes. Triggers reject updates and deletes. */
export const auditLog = pgTable(
  "audit_log",
  {
    seq: integer().primaryKey(),
    at: time().notNull(),
    actor: text().notNull(),
    tenant: text().notNull(),
    action: text().notNull(),
    target: text().notNull(),
    address: text(),
    requestId: text(),
    outcome: text().notNull(),
    /** Hash of the previous entry, covered by the entry's own hash. */
    previous: text().notNull(),
    hash: text().notNull(),
  },
  (table) => [index("audit_log_tenant").on(table.tenant, table.at, table.seq)],
);

/** The last entry of the log, in a single row. The row lock serializes writers. */
export const auditHead = pgTable("audit_head", {
  single: boolean().primaryKey().default(true),
  seq: integer().notNull(),
  hash: text().notNull(),
});

export type JobColumns = typeof jobs.$inferSelect;
export type GraphEventColumns = typeof graphEvents.$inferSelect;
export type DedupWindowColumns = typeof dedupWindows.$inferSelect;
export type QueueSettingsColumns = typeof queueSettings.$inferSelect;
export type JobTypeColumns = typeof jobTypes.$inferSelect;
export type ScheduleColumns = typeof schedules.$inferSelect;
export type IdempotencyKeyColumns = typeof idempotencyKeys.$inferSelect;
export type ImportColumns = typeof imports.$inferSelect;
export type ImportPartColumns = typeof importParts.$inferSelect;
export type ImportErrorColumns = typeof importErrors.$inferSelect;
export type OperationColumns = typeof operations.$inferSelect;
export type FeedColumns = typeof feeds.$inferSelect;
export type FeedItemColumns = typeof feedItems.$inferSelect;
export type ApiKeyColumns = typeof apiKeys.$inferSelect;
export type WebhookColumns = typeof webhooks.$inferSelect;
export type PushEndpointColumns = typeof pushEndpoints.$inferSelect;
export type WebhookDeliveryColumns = typeof webhookDeliveries.$inferSelect;
export type AuditLogColumns = typeof auditLog.$inferSelect;
export type AuditHeadColumns = typeof auditHead.$inferSelect;
