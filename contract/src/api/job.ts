import { z } from "zod";
import { plainText } from "./plain-text.ts";

export const limits = {
  keyLength: 255,
  attempts: 100,
  delayMs: 365 * 24 * 60 * 60 * 1000,
  /** BullMQ's. */
  priority: 2_097_151,
  timeoutMs: 24 * 60 * 60 * 1000,
  backoffMs: 7 * 24 * 60 * 60 * 1000,
  /** How long a key that may be used once can be kept. */
  keyWindowMs: 30 * 24 * 60 * 60 * 1000,
  labels: 10,
  labelLength: 100,
  /** What is kept of how a job went. */
  failures: 10,
  logLines: 20,
  scheduleNameLength: 100,
  descriptionLength: 1000,
  /** What a schedule by an interval has between two runs. */
  everyMs: { min: 1000, max: 365 * 24 * 60 * 60 * 1000 },
  previewedTimes: 100,
  pageSize: 500,
  dataBytes: 1_000_000,
  bodyBytes: 2_000_000,
  bulkBodyBytes: 32_000_000,
  bulkEntries: 10_000,
  /** Each row of a file becomes an object with as many fields. */
  csvColumns: 2000,
  importErrors: 100,
  waitSeconds: 60,
} as const;

/** How a job stands in the ledger. All but `pending` are final. */
export const JobStatus = z
  .enum(["pending", "completed", "dead", "cancelled", "expired"])
  .meta({ id: "JobStatus" });
export type JobStatus = z.infer<typeof JobStatus>;
export type FinalStatus = Exclude<JobStatus, "pending">;
export const FinalJobStatus = JobStatus.exclude(["pending"]);
export const finalStatuses: readonly FinalStatus[] = FinalJobStatus.options;

/** Where a pending job stands in Redis. `unplaced`: recorded, and the reconciler will place it. */
const JobState = z
  .enum(["waiting", "delayed", "prioritized", "active", "unplaced"])
  .meta({ id: "JobState" });
export type JobState = z.infer<typeof JobState>;

const backoffMs = z.int().min(0).max(limits.backoffMs);

export const Backoff = z
  .strictObject({
    type: z.enum(["fixed", "exponential"]),
    delay: backoffMs.meta({ description: "Milliseconds before the second attempt" }),
    jitter: z.number().min(0).max(1).optional().meta({
      description:
        "How much of each delay is left to chance: 0.5 makes it anything from half of it on",
    }),
    max: backoffMs.optional().meta({ description: "Milliseconds that no delay exceeds" }),
  })
  .meta({
    id: "Backoff",
    description: "Between attempts; by default the job type's, exponential from 1 s",
    example: { type: "exponential", delay: 1000, max: 60_000 },
  });
export type Backoff = z.infer<typeof Backoff>;

const attempts = z.int().min(1).max(limits.attempts);
const priority = z.int().min(1).max(limits.priority);
const timeoutMs = z.int().min(1).max(limits.timeoutMs);

/** What the ledger keeps of how a job is to be done. */
export const JobOptions = z.strictObject({
  attempts,
  backoff: Backoff,
  priority: priority.optional(),
  order: z.literal("lifo").optional(),
  timeoutMs: timeoutMs.optional(),
});
export type JobOptions = z.infer<typeof JobOptions>;

export const Key = z.string().min(1).max(limits.keyLength).meta({
  description: "Business identity: while a job of this type and key is pending, it is the answer",
  example: "order-1042",
});

/** What a second job with the key of a first one comes to. */
export const KeyPolicy = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("pending") }).meta({ id: "KeyPolicyPending" }),
    z
      .strictObject({
        type: z.literal("once"),
        windowMs: z.int().min(1).max(limits.keyWindowMs),
      })
      .meta({ id: "KeyPolicyOnce" }),
    z.strictObject({ type: z.literal("replace") }).meta({ id: "KeyPolicyReplace" }),
  ])
  .meta({
    id: "KeyPolicy",
    description:
      "pending: a duplicate while the first is pending. once: also when it has ended, until `windowMs` after it was accepted. " +
      "replace: the first is cancelled, and a duplicate only while it is running.",
    example: { type: "once", windowMs: 3_600_000 },
  });
export type KeyPolicy = z.infer<typeof KeyPolicy>;

export const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });
/** As clients may write it. */
export const GivenTime = z.iso.datetime({ offset: true });

const Label = z.string().min(1).max(limits.labelLength).regex(plainText, "No control characters.");

/** The options that a client may send with a job, beside its type and data. By default they are the job type's. */
export const requestOptions = {
  key: Key.optional(),
  keyPolicy: KeyPolicy.optional(),
  delayMs: z
    .int()
    .min(0)
    .max(limits.delayMs)
    .optional()
    .meta({ description: "Milliseconds to wait before the first run" }),
  runAt: GivenTime.optional().meta({
    description: "Not before this time, at most 365 days ahead; instead of `delayMs`",
    example: "2026-12-24T18:00:00+01:00",
  }),
  priority: priority.optional().meta({
    description: "1 first; jobs without a priority come before all that have one",
  }),
  order: z.enum(["fifo", "lifo"]).optional().meta({
    description: "lifo: before all that wait. Not with a priority, a delay or `runAt`",
  }),
  attempts: attempts.optional().meta({ description: "Runs in all; by default the job type's, 3" }),
  backoff: Backoff.optional(),
  timeoutMs: timeoutMs.optional().meta({ description: "Milliseconds that one run may take" }),
  expiresAt: GivenTime.optional().meta({
    description: "When nobody has started it by then, it ends as `expired`",
    example: "2099-12-24T20:00:00+01:00",
  }),
  labels: z
    .array(Label)
    .min(1)
    .max(limits.labels)
    .optional()
    .meta({
      description: "To find it by",
      example: ["nightly", "customer:42"],
    }),
};

/** What can be changed about a job that waits. What is not sent stays as it is. */
export const JobChanges = z
  .strictObject({
    delayMs: z.int().min(0).max(limits.delayMs).optional().meta({
      description: "Milliseconds from now; 0: at once",
    }),
    runAt: GivenTime.optional().meta({ description: "Not before this time; instead of `delayMs`" }),
    priority: priority.nullable().optional().meta({ description: "null: none" }),
  })
  .refine(({ delayMs, runAt, priority }) => (delayMs ?? runAt ?? priority) !== undefined, {
    error: "Nothing is to be changed.",
  })
  .refine(({ delayMs, runAt }) => delayMs === undefined || runAt === undefined, {
    path: ["runAt"],
    error: "Not beside delayMs.",
  })
  .meta({ id: "JobChanges", minProperties: 1, example: { delayMs: 60_000, priority: 10 } });
export type JobChanges = z.infer<typeof JobChanges>;

export const JobId = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** The error that ended a job, or a run of it. */
export const JobError = z
  .strictObject({ name: z.string(), message: z.string(), stack: z.string().optional() })
  .meta({ id: "JobError" });
export type JobError = z.infer<typeof JobError>;

/** The answer to an enqueue. */
export const AcceptedJob = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    status: JobStatus,
    outcome: z.enum(["created", "duplicate"]).meta({
      description: "duplicate: a job with this key is still pending, and this is it",
    }),
    key: z.string().nullable(),
    createdAt: Time,
    runAt: Time.nullable(),
    replaced: JobId.optional().meta({
      description: "The job with its key that it replaced, which is cancelled",
    }),
  })
  .meta({ id: "AcceptedJob" });
export type AcceptedJob = z.infer<typeof AcceptedJob>;

/** Of an answer to a request that was only checked. Not a literal: clients are generated from an enumeration of booleans badly. */
export const DryRunAnswer = z.boolean().meta({ description: "Always true" });

/** The answer to a job that was only checked. */
export const CheckedJob = z
  .strictObject({
    dryRun: DryRunAnswer,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    runAt: Time.nullable(),
    expiresAt: Time.nullable(),
  })
  .meta({ id: "CheckedJob" });
export type CheckedJob = z.infer<typeof CheckedJob>;

const JobAttempts = z.strictObject({ made: z.int(), max: z.int() }).meta({
  id: "JobAttempts",
  description:
    "made: attempts that were started, also those lost with their consumer, which do not count towards max",
});

export const Job = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    importId: z.uuid().nullable(),
    schedule: z.string().nullable().meta({ description: "The schedule that made it" }),
    status: JobStatus,
    state: z.union([JobState, z.null()]).meta({
      description: "Where a pending job stands in Redis; null when it ended or Redis is away",
    }),
    data: z.unknown(),
    result: z.unknown(),
    error: z.union([JobError, z.null()]),
    labels: z.array(z.string()),
    priority: z.int().nullable(),
    attempts: JobAttempts,
    progress: z.unknown().meta({ description: "What the handler last reported; null without any" }),
    createdAt: Time,
    runAt: Time.nullable().meta({ description: "When a delayed job is due" }),
    expiresAt: Time.nullable().meta({ description: "By when it must have been started" }),
    settledAt: Time.nullable(),
  })
  .meta({ id: "Job" });
export type Job = z.infer<typeof Job>;

/** When and where an attempt ran. */
const attemptTimes = {
  startedAt: Time.nullable().meta({ description: "Null when it is not known" }),
  durationMs: z
    .int()
    .min(0)
    .nullable()
    .meta({ description: "Null while it runs, and when it was lost with its consumer" }),
  worker: z.string().nullable().meta({ description: "Host and process id of the consumer" }),
};

/** The name of the error of an attempt whose consumer disappeared. */
export const attemptLost = "AttemptLost";

/** The error of an attempt that failed. */
export const RunError = z
  .strictObject({
    attempt: z.int().min(1),
    at: Time,
    ...JobError.shape,
    startedAt: attemptTimes.startedAt.optional(),
    durationMs: attemptTimes.durationMs.optional(),
    worker: attemptTimes.worker.optional(),
  })
  .meta({ id: "RunError" });
export type RunError = z.infer<typeof RunError>;

export const Attempt = z
  .strictObject({
    attempt: z.int().min(1),
    outcome: z
      .enum(["active", "completed", "failed", "lost", "cancelled"])
      .meta({ description: "lost: its consumer disappeared, and the job was started again" }),
    ...attemptTimes,
  })
  .meta({ id: "Attempt" });
export type Attempt = z.infer<typeof Attempt>;

/** A line that the handler wrote. */
export const JobLogLine = z
  .strictObject({
    at: Time,
    level: z.enum(["debug", "info", "warn", "error"]),
    message: z.string(),
  })
  .meta({ id: "JobLogLine" });
export type JobLogLine = z.infer<typeof JobLogLine>;

/** A job with what takes longer to find out. */
export const JobDetail = Job.extend({
  startedAt: Time.nullable().meta({
    description: "When its last attempt began; null when unknown",
  }),
  position: z.int().min(1).nullable().meta({
    description: "How many are taken before it, itself included; null in a queue too long to tell",
  }),
  estimatedStartAt: Time.nullable().meta({
    description:
      "When a delayed job is due, or one that waits is reached at the rate of the last minute; null when there is none. Not a part of the ETag",
  }),
  attemptHistory: z.array(Attempt).meta({
    description: "Its last attempts, the oldest first: when, for how long and where each ran",
  }),
  failures: z.array(RunError).meta({ description: "The last runs that failed, the oldest first" }),
  log: z.array(JobLogLine).meta({ description: "The last lines that its handler wrote" }),
  history: z.array(z.unknown()).meta({ description: "How it ended before it was retried" }),
}).meta({ id: "JobDetail" });
export type JobDetail = z.infer<typeof JobDetail>;
