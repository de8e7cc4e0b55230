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

/** What was accepted and how it ended. Where a pending job stands is Redis' to say. */
export const jobs = pgTable(
  "jobs",
  {
    id: uuid("id").primaryKey(),
    tenant: tenant(),
    queue: text("queue").notNull(),
    type: text("type").notNull(),
    key: text("key"),
    status: text("status").notNull().default("pending"),
    /** Raised when a job that ended is made pending again; part of every compare-and-set. */
    run: integer("run").notNull().default(0),
    /**
     * Attempts that started after Redis had lost this run and of which no outcome is known: they run, or were lost with
     * their consumer. An attempt of a job that Redis never lost writes nothing; BullMQ counts those that stall.
     */
    lostAttempts: integer("lost_attempts").notNull().default(0),
    data: jsonb("data").notNull(),
    options: jsonb("options").notNull(),
    runAt: time("run_at"),
    importId: uuid("import_id"),
    /** The API key whose waiting jobs are counted, because it may have only so many. */
    quotaKey: text("quota_key"),
    /** When it expires, if nobody has started it. */
    expiresAt: time("expires_at"),
    labels: text("labels").array(),
    /** The name of the schedule that made it. */
    schedule: text("schedule"),
    trace: text("trace"),
    attempts: integer("attempts").notNull().default(0),
    /** Of the last attempt, written when it is settled; those before it are in `failures`. */
    startedAt: time("started_at"),
    durationMs: integer("duration_ms"),
    /** Which consumer ran it. */
    worker: text("worker"),
    result: jsonb("result"),
    error: jsonb("error"),
    /** Of a dead one: `reasonOf` its error. */
    reason: text("reason"),
    /** The errors of its runs, as far as they were kept. */
    failures: jsonb("failures"),
    /** The last lines of its handler. */
    log: jsonb("log"),
    /** How it ended before it was made pending again, the oldest first. */
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
    // For what one tenant does to its pending jobs: it must not read those of others.
    index("jobs_pending_tenant")
      .on(table.tenant, table.id)
      .where(sql`status = 'pending'`),
    // An index of all jobs is a twentieth of what it costs to accept one.
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

/** What jobs can be found by, beside their columns; no row for a job without labels and searchable fields. */
export const jobTerms = pgTable(
  "job_terms",
  {
    tenant: tenant(),
    /** `labelTerm` or `fieldTerm` makes it. */
    term: text("term").notNull(),
    jobId: uuid("job_id").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.term, table.jobId] }),
    index("job_terms_job").on(table.jobId),
  ],
);

/** Until when a key that may be used once is taken, and by which job. */
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

/** What an operator has set for a queue. Redis obeys it, and is told again by the reconciler when it has lost it. */
export const queueSettings = pgTable("queue_settings", {
  queue: text("queue").primaryKey(),
  paused: boolean("paused").notNull().default(false),
  concurrency: integer("concurrency"),
  rateMax: integer("rate_max"),
  rateDurationMs: integer("rate_duration_ms"),
  updatedAt: time("updated_at").notNull().defaultNow(),
});
/** What makes a job again and again. Nothing of it stands in Redis. */
export const schedules = pgTable(
  "schedules",
  {
    tenant: tenant(),
    name: text("name").notNull(),
    /** Another one with every definition: secrets of its job are encrypted for it. */
    id: uuid("id").notNull(),
    /** Of its job. */
    type: text("type").notNull(),
    definition: jsonb("definition").notNull(),
    /** `api` or `file`: who wrote it last. */
    source: text("source").notNull(),
    paused: boolean("paused").notNull().default(false),
    /** The API key that wrote the definition, if the key has quotas: the jobs count against them. */
    quotaKey: text("quota_key"),
    /** Null while it is paused, and when it is over. */
    nextAt: time("next_at"),
    /** The fire time of a job that the quota refused, until `next_at` tries again. */
    deferredSlot: time("deferred_slot"),
    /** The latest time that was dealt with. */
    lastSlot: time("last_slot"),
    /** Whether it is still pending decides what an overlap is. */
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
    // For turns: finds the tenants with due schedules, and those of each.
    index("schedules_tenant_due")
      .on(table.tenant, table.nextAt)
      .where(sql`next_at is not null`),
  ],
);

/** The first answer to a request that carried an Idempotency-Key; no answer yet while it is being made. */
export const idempotencyKeys = pgTable(
  "idempotency_keys",
  {
    tenant: tenant(),
    key: text("key").notNull(),
    requestHash: text("request_hash").notNull(),
    status: smallint("status"),
    /** `json`, not `jsonb`: a replay is the first answer to the letter. */
    body: json("body"),
    createdAt: time("created_at").notNull().defaultNow(),
    /** When it was answered; until then, when whoever answers it last said to be at it. */
    touchedAt: time("touched_at").notNull().defaultNow(),
    /** Who is answering, where that takes more than one transaction. */
    owner: uuid("owner"),
    /** Of a body that was too large to be hashed beforehand: of its first `body_bytes`, or of all of it. */
    bodyHash: text("body_hash"),
    /** How much of the body was read when `import_id` was last saved. */
    bodyBytes: bigint("body_bytes", { mode: "number" }),
    /** The import that the request began; a repetition continues it. */
    importId: uuid("import_id"),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.key] }),
    index("idempotency_keys_touched").on(table.touchedAt),
  ],
);

/** Up to which id retention has deleted: what is older and not there may have been. Ids ascend with time. */
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

/** A file that was sent. The counts move in the transaction that moves the jobs they count. */
export const imports = pgTable("imports", {
  id: uuid("id").primaryKey(),
  tenant: tenant(),
  type: text("type").notNull(),
  /** `receiving`, `received` (the body was read to its end) or `failed`. */
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
  /** When the last chunk arrived: an import that is silent for long was left by a producer that died. */
  touchedAt: time("touched_at").notNull().defaultNow(),
});

/** What is done to many jobs, bit by bit. The counts and the cursor move in the transactions that change the jobs. */
export const operations = pgTable(
  "operations",
  {
    id: uuid("id").primaryKey(),
    tenant: tenant(),
    action: text("action").notNull(),
    filter: jsonb("filter").notNull(),
    /** To which queues and types it is limited, with its maker's key. */
    reach: jsonb("reach").notNull(),
    ratePerSecond: integer("rate_per_second"),
    /** Of its maker, when that has quotas: what it makes pending counts for it. */
    quotaKey: text("quota_key"),
    status: text("status").notNull().default("pending"),
    /** The last job that was looked at. */
    cursor: uuid("cursor"),
    seen: integer("seen").notNull().default(0),
    changed: integer("changed").notNull().default(0),
    skipped: integer("skipped").notNull().default(0),
    failed: integer("failed").notNull().default(0),
    error: text("error"),
    isStopping: boolean("is_stopping").notNull().default(false),
    /** Who is at it, and until when nobody else takes it over. */
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

/** Where the handler of `row.import` puts its rows. */
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

/** Where the handler of `feed.item` puts its items. */
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

/** Feeds that were fetched, each under the name its items are kept by. */
export const feeds = pgTable(
  "feeds",
  {
    tenant: tenant(),
    source: text("source").notNull(),
    url: text("url").notNull(),
    /** Where it is after its redirects: only there the validators mean something. */
    finalUrl: text("final_url"),
    etag: text("etag"),
    lastModified: text("last_modified"),
    /** HTTP's, of the last answer. */
    status: smallint("status"),
    lastError: text("last_error"),
    /** In a row. */
    failures: integer("failures").notNull().default(0),
    /** When a fetch last ended. */
    fetchedAt: time("fetched_at"),
    /** Raised by every fetch that begins, and by one that another overtook. */
    fetches: integer("fetches").notNull().default(0),
    createdAt: time("created_at").notNull().defaultNow(),
  },
  (table) => [
    // An address may be longer than an entry of an index.
    uniqueIndex("feeds_identity").on(table.tenant, table.source, sql`md5(url)`),
  ],
);

/** Who may call. A key itself stands nowhere: `hash` is of its text. */
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
    /** Of its last change; producers ask for what is newer than what they have. */
    revision: bigint("revision", { mode: "number" }).notNull(),
  },
  (table) => [
    uniqueIndex("api_keys_revision").on(table.revision),
    index("api_keys_tenant").on(table.tenant, table.id),
  ],
);
/** What administrators changed. Triggers of the migration refuse to change or delete what is in it. */
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
  /** The hash of the entry before; each hash covers it. */
  previous: text("previous").notNull(),
  hash: text("hash").notNull(),
});

/** The one row says with which entry the log ends. Whoever adds one holds it. */
export const auditHead = pgTable("audit_head", {
  single: boolean("single").primaryKey().default(true),
  seq: integer("seq").notNull(),
  hash: text("hash").notNull(),
});
