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

const time = (name: string) => timestamp(name, { withTimezone: true });
const tenant = () => text("tenant").notNull().default("default");

/** Accepted jobs and their outcomes. Redis has the state of pending jobs. */
export const jobs = pgTable(
  "jobs",
  {
    id: uuid("id").primaryKey(),
    tenant: tenant(),
    queue: text("queue").notNull(),
    type: text("type").notNull(),
    key: text("key"),
    status: text("status").notNull().default("pending"),
    /** The generation: incremented by a retry; part of every compare-and-set. */
    run: integer("run").notNull().default(0),
    /**
     * Attempts started after Redis lost this generation whose outcome is unknown: active, or lost with their consumer.
     * Attempts of jobs that Redis never lost are not recorded here; BullMQ counts their stalls.
     */
    lostAttempts: integer("lost_attempts").notNull().default(0),
    data: jsonb("data").notNull(),
    options: jsonb("options").notNull(),
    runAt: time("run_at"),
    importId: uuid("import_id"),
    /** The API key whose quota limits its number of pending jobs. */
    quotaKey: text("quota_key"),
    /** When the job expires if no attempt has started. */
    expiresAt: time("expires_at"),
    labels: text("labels").array(),
    /** Name of the schedule that created the job. */
    schedule: text("schedule"),
    trace: text("trace"),
    attempts: integer("attempts").notNull().default(0),
    /** Start of the last attempt, written when it is settled; `failures` has the earlier attempts. */
    startedAt: time("started_at"),
    durationMs: integer("duration_ms"),
    /** The consumer that ran the last attempt. */
    worker: text("worker"),
    result: jsonb("result"),
    error: jsonb("error"),
    /** Of a dead job: `toDeadLetterReason` of its error. */
    reason: text("reason"),
    /** Errors of its attempts, bounded in number and size. */
    failures: jsonb("failures"),
    /** The last log lines of its handler. */
    log: jsonb("log"),
    /** Outcomes of earlier generations, oldest first. */
    history: jsonb("history"),
    createdAt: time("created_at").notNull().defaultNow(),
    settledAt: time("settled_at"),
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
    index("jobs_expiring")
      .on(table.expiresAt, table.id)
      .where(sql`status = 'pending' and expires_at is not null`),
    index("jobs_settled")
      .on(table.status, table.settledAt)
      .where(sql`settled_at is not null`),
  ],
);

/** Search terms of jobs; none for a job without labels and searchable fields. */
export const jobTerms = pgTable(
  "job_terms",
  {
    tenant: tenant(),
    /** Built by `labelTerm`, `fieldTerm` or `scheduleTerm`. */
    term: text("term").notNull(),
    jobId: uuid("job_id").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.term, table.jobId] }),
    index("job_terms_job").on(table.jobId),
  ],
);

/** Deduplication windows: until when a key is taken, and by which job. */
export const keyWindows = pgTable(
  "key_windows",
  {
    tenant: tenant(),
    type: text("type").notNull(),
    key: text("key").notNull(),
    jobId: uuid("job_id").notNull(),
    until: time("until").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.type, table.key] }),
    index("key_windows_until").on(table.until),
  ],
);

/** Queue settings by operators. The reconciler applies them to Redis again after Redis lost them. */
export const queueSettings = pgTable("queue_settings", {
  queue: text("queue").primaryKey(),
  paused: boolean("paused").notNull().default(false),
  concurrency: integer("concurrency"),
  rateMax: integer("rate_max"),
  rateDurationMs: integer("rate_duration_ms"),
  updatedAt: time("updated_at").notNull().defaultNow(),
});
/** Schedules, which create jobs repeatedly. Redis has no schedule data. */
export const schedules = pgTable(
  "schedules",
  {
    tenant: tenant(),
    name: text("name").notNull(),
    /** Changes with every definition; the secrets of the job template are bound to it. */
    id: uuid("id").notNull(),
    /** Type of its jobs. */
    type: text("type").notNull(),
    definition: jsonb("definition").notNull(),
    /** Who wrote the definition last: `api` or `file`. */
    source: text("source").notNull(),
    paused: boolean("paused").notNull().default(false),
    /** The API key that wrote the definition, if the key has quotas; they count the schedule's jobs. */
    quotaKey: text("quota_key"),
    /** Null while the schedule is paused, and after its last fire time. */
    nextAt: time("next_at"),
    /** Fire time of a job that the quota refused; retried at `next_at`. */
    deferredSlot: time("deferred_slot"),
    /** The last fire time that was processed. */
    lastSlot: time("last_slot"),
    /** Detects overlaps: the last job may still be pending. */
    lastJobId: uuid("last_job_id"),
    lastRun: jsonb("last_run"),
    version: integer("version").notNull().default(1),
    createdAt: time("created_at").notNull().defaultNow(),
    updatedAt: time("updated_at").notNull().defaultNow(),
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
    key: text("key").notNull(),
    requestHash: text("request_hash").notNull(),
    status: smallint("status"),
    /** `json`, not `jsonb`: a replay returns the original response byte for byte. */
    body: json("body"),
    createdAt: time("created_at").notNull().defaultNow(),
    /** When the response was stored; before, when the owner last renewed its claim. */
    touchedAt: time("touched_at").notNull().defaultNow(),
    /** The request that holds the claim, if it takes several transactions. */
    owner: uuid("owner"),
    /** Hash of the first `body_bytes` of a streamed body, or of the whole body once it is read. */
    bodyHash: text("body_hash"),
    /** How much of the body had been read when `import_id` was last saved. */
    bodyBytes: bigint("body_bytes", { mode: "number" }),
    /** The import that the request began; a repeated request resumes it. */
    importId: uuid("import_id"),
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
    what: text("what").notNull(),
    newest: uuid("newest").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.what] })],
);

/** Uploaded files. The counts change in the same transaction as the jobs. */
export const imports = pgTable("imports", {
  id: uuid("id").primaryKey(),
  tenant: tenant(),
  type: text("type").notNull(),
  /** `receiving`, `received` (the body was read completely) or `failed`. */
  status: text("status").notNull().default("receiving"),
  read: integer("read").notNull().default(0),
  accepted: integer("accepted").notNull().default(0),
  duplicate: integer("duplicate").notNull().default(0),
  rejected: integer("rejected").notNull().default(0),
  completed: integer("completed").notNull().default(0),
  dead: integer("dead").notNull().default(0),
  cancelled: integer("cancelled").notNull().default(0),
  expired: integer("expired").notNull().default(0),
  errors: jsonb("errors").notNull().default([]),
  createdAt: time("created_at").notNull().defaultNow(),
  /** When the last chunk arrived, to detect imports abandoned by a crashed producer. */
  touchedAt: time("touched_at").notNull().defaultNow(),
});

/** Bulk operations, executed in batches. Counts and cursor change in the same transaction as the jobs. */
export const operations = pgTable(
  "operations",
  {
    id: uuid("id").primaryKey(),
    tenant: tenant(),
    action: text("action").notNull(),
    filter: jsonb("filter").notNull(),
    /** The queues and types that the API key of its creator may access. */
    reach: jsonb("reach").notNull(),
    ratePerSecond: integer("rate_per_second"),
    /** API key of its creator, if the key has quotas; they count the retried jobs. */
    quotaKey: text("quota_key"),
    status: text("status").notNull().default("pending"),
    /** The last job that was examined. */
    cursor: uuid("cursor"),
    seen: integer("seen").notNull().default(0),
    changed: integer("changed").notNull().default(0),
    skipped: integer("skipped").notNull().default(0),
    failed: integer("failed").notNull().default(0),
    error: text("error"),
    isStopping: boolean("is_stopping").notNull().default(false),
    /** The producer that executes the operation; others may take over when the lease expires. */
    holder: uuid("holder"),
    leaseUntil: time("lease_until"),
    createdAt: time("created_at").notNull().defaultNow(),
    endedAt: time("ended_at"),
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
    importId: uuid("import_id").notNull(),
    row: integer("row").notNull(),
    values: jsonb("values").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.importId, table.row] })],
);

/** Items written by the handler of `feed.item`. */
export const feedItems = pgTable(
  "feed_items",
  {
    tenant: tenant(),
    source: text("source").notNull(),
    guid: text("guid").notNull(),
    item: jsonb("item").notNull(),
    createdAt: time("created_at").notNull().defaultNow(),
    changedAt: time("changed_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.tenant, table.source, table.guid] })],
);

/** Fetched feeds, each under the source name of its items. */
export const feeds = pgTable(
  "feeds",
  {
    tenant: tenant(),
    source: text("source").notNull(),
    url: text("url").notNull(),
    /** URL after redirects; etag and last_modified are valid only for this URL. */
    finalUrl: text("final_url"),
    etag: text("etag"),
    lastModified: text("last_modified"),
    /** HTTP status of the last response. */
    status: smallint("status"),
    lastError: text("last_error"),
    /** Number of consecutive failures. */
    failures: integer("failures").notNull().default(0),
    /** When the last fetch ended. */
    fetchedAt: time("fetched_at"),
    /** Incremented when a fetch begins, and by a fetch that a later one overtook. */
    fetches: integer("fetches").notNull().default(0),
    createdAt: time("created_at").notNull().defaultNow(),
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
    id: text("id").primaryKey(),
    tenant: tenant(),
    name: text("name").notNull(),
    scopes: jsonb("scopes").notNull(),
    queues: jsonb("queues"),
    types: jsonb("types"),
    quotas: jsonb("quotas"),
    hash: text("hash").notNull(),
    previousHash: text("previous_hash"),
    previousUntil: time("previous_until"),
    createdAt: time("created_at").notNull().defaultNow(),
    expiresAt: time("expires_at"),
    lastUsedAt: time("last_used_at"),
    rotatedAt: time("rotated_at"),
    revokedAt: time("revoked_at"),
    /** Revision of the last change; producers poll for newer revisions. */
    revision: bigint("revision", { mode: "number" }).notNull(),
  },
  (table) => [
    uniqueIndex("api_keys_revision").on(table.revision),
    index("api_keys_tenant").on(table.tenant, table.id),
  ],
);
/** Administrative changes. Triggers reject updates and deletes. */
export const auditLog = pgTable("audit_log", {
  seq: integer("seq").primaryKey(),
  at: time("at").notNull(),
  actor: text("actor").notNull(),
  tenant: text("tenant").notNull(),
  action: text("action").notNull(),
  target: text("target").notNull(),
  address: text("address"),
  requestId: text("request_id"),
  outcome: text("outcome").notNull(),
  /** Hash of the previous entry, covered by the entry's own hash. */
  previous: text("previous").notNull(),
  hash: text("hash").notNull(),
});

/** The last entry of the log, in a single row. The row lock serializes writers. */
export const auditHead = pgTable("audit_head", {
  single: boolean("single").primaryKey().default(true),
  seq: integer("seq").notNull(),
  hash: text("hash").notNull(),
});
