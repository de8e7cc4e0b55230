import { z } from "zod";
import { AttemptState, JobState, JobStatus } from "./job-states.ts";
import { plainText } from "./plain-text.ts";

export const limits = {
  keyLength: 255,
  attempts: 100,
  delayMs: 365 * 24 * 60 * 60 * 1000,
  /** The maximum of BullMQ. */
  priority: 2_097_151,
  timeoutMs: 24 * 60 * 60 * 1000,
  backoffMs: 7 * 24 * 60 * 60 * 1000,
  /** Maximum `windowMs` of the key policy `once`. */
  dedupWindowMs: 30 * 24 * 60 * 60 * 1000,
  labels: 10,
  labelLength: 100,
  /** Failed attempts and log lines that are kept per job. */
  failures: 10,
  logLines: 20,
  scheduleNameLength: 100,
  descriptionLength: 1000,
  /** Bounds of the interval of a schedule. */
  everyMs: { min: 1000, max: 365 * 24 * 60 * 60 * 1000 },
  previewedTimes: 100,
  pageSize: 500,
  dataBytes: 1_000_000,
  bodyBytes: 2_000_000,
  bulkBodyBytes: 32_000_000,
  bulkEntries: 10_000,
  /** Each row of a file becomes an object with this many fields. */
  csvColumns: 2000,
  importErrors: 100,
  waitSeconds: 60,
} as const;

const backoffMs = z.int().min(0).max(limits.backoffMs);

export const Backoff = z
  .strictObject({
    type: z.enum(["fixed", "exponential"]),
    delay: backoffMs.meta({ description: "Delay before the second attempt, in milliseconds" }),
    jitter: z.number().min(0).max(1).optional().meta({
      description:
        "Random share of each delay, from 0 to 1: with 0.5, each delay is between 50 % and 100 % of its value",
    }),
    max: backoffMs.optional().meta({ description: "Maximum delay, in milliseconds" }),
  })
  .meta({
    id: "Backoff",
    description:
      "Delay between attempts; default: the backoff of the job type (exponential from 1 s unless the type sets another)",
    example: { type: "exponential", delay: 1000, max: 60_000 },
  });
export type Backoff = z.infer<typeof Backoff>;

const attempts = z.int().min(1).max(limits.attempts);
const priority = z.int().min(1).max(limits.priority);
const timeoutMs = z.int().min(1).max(limits.timeoutMs);

/** The execution options of a job, as stored in Postgres. */
export const JobOptions = z.strictObject({
  attempts,
  backoff: Backoff,
  priority: priority.optional(),
  order: z.literal("lifo").optional(),
  timeoutMs: timeoutMs.optional(),
});
export type JobOptions = z.infer<typeof JobOptions>;

export const Key = z.string().min(1).max(limits.keyLength).meta({
  description:
    "Deduplication key: while a job of this type and key is pending, enqueueing returns that job",
  example: "order-1042",
});

/** How a job is handled if an earlier job has the same type and key. */
export const KeyPolicy = z
  .discriminatedUnion("type", [
    z.strictObject({ type: z.literal("pending") }).meta({ id: "KeyPolicyPending" }),
    z
      .strictObject({
        type: z.literal("once"),
        windowMs: z.int().min(1).max(limits.dedupWindowMs),
      })
      .meta({ id: "KeyPolicyOnce" }),
    z.strictObject({ type: z.literal("replace") }).meta({ id: "KeyPolicyReplace" }),
  ])
  .meta({
    id: "KeyPolicy",
    description:
      "pending: a job is a duplicate while the earlier job is pending. once: a job is also a duplicate after the earlier job has finished, until `windowMs` after the earlier job was accepted. " +
      "replace: the earlier job is cancelled and replaced; a job is only a duplicate while the earlier job is active.",
    example: { type: "once", windowMs: 3_600_000 },
  });
export type KeyPolicy = z.infer<typeof KeyPolicy>;

export const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });
/** A time in a request, with any UTC offset. */
export const GivenTime = z.iso.datetime({ offset: true });

const Label = z.string().min(1).max(limits.labelLength).regex(plainText, "No control characters.");

/** The options that a client may send with a job, besides type and data. Defaults come from the job type. */
export const requestOptions = {
  key: Key.optional(),
  keyPolicy: KeyPolicy.optional(),
  delayMs: z
    .int()
    .min(0)
    .max(limits.delayMs)
    .optional()
    .meta({ description: "Delay before the first attempt, in milliseconds" }),
  runAt: GivenTime.optional().meta({
    description: "Earliest start time, at most 365 days ahead; mutually exclusive with `delayMs`",
    example: "2026-12-24T18:00:00+01:00",
  }),
  priority: priority.optional().meta({
    description:
      "1 is the highest priority; jobs without a priority run before all prioritized jobs",
  }),
  order: z.enum(["fifo", "lifo"]).optional().meta({
    description:
      "lifo: run before all waiting jobs; mutually exclusive with `priority`, `delayMs` and `runAt`",
  }),
  attempts: attempts.optional().meta({
    description:
      "Maximum number of attempts; default: that of the job type (3 unless the type sets another)",
  }),
  backoff: Backoff.optional(),
  timeoutMs: timeoutMs
    .optional()
    .meta({ description: "Maximum duration of one attempt, in milliseconds" }),
  expiresAt: GivenTime.optional().meta({
    description: "If the job has not been started by this time, its status becomes `expired`",
    example: "2099-12-24T20:00:00+01:00",
  }),
  labels: z
    .array(Label)
    .min(1)
    .max(limits.labels)
    .optional()
    .meta({
      description: "Labels by which the job can be found",
      example: ["nightly", "customer:42"],
    }),
};

const { delayMs: _, runAt: __, expiresAt: ___, ...withoutTimes } = requestOptions;
/** The options of a job that a schedule enqueues, which cannot have fixed times. */
export const templateOptions = withoutTimes;

/** The changes of a job that is not active. Omitted fields are not changed. */
export const JobChanges = z
  .strictObject({
    delayMs: z.int().min(0).max(limits.delayMs).optional().meta({
      description: "Delay from now, in milliseconds; 0: run as soon as possible",
    }),
    runAt: GivenTime.optional().meta({
      description: "Earliest start time; mutually exclusive with `delayMs`",
    }),
    priority: priority.nullable().optional().meta({ description: "null removes the priority" }),
  })
  .refine(({ delayMs, runAt, priority }) => (delayMs ?? runAt ?? priority) !== undefined, {
    error: "At least one field is required.",
  })
  .refine(({ delayMs, runAt }) => delayMs === undefined || runAt === undefined, {
    path: ["runAt"],
    error: "`delayMs` and `runAt` are mutually exclusive.",
  })
  .meta({ id: "JobChanges", minProperties: 1, example: { delayMs: 60_000, priority: 10 } });
export type JobChanges = z.infer<typeof JobChanges>;

export const JobId = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** The error of a job or of one attempt. */
export const JobError = z
  .strictObject({ name: z.string(), message: z.string(), stack: z.string().optional() })
  .meta({ id: "JobError" });
export type JobError = z.infer<typeof JobError>;

/** The response to an enqueue request. */
export const AcceptedJob = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    status: JobStatus,
    outcome: z.enum(["created", "duplicate"]).meta({
      description:
        "created: a new job. duplicate: the response describes an existing job with this key",
    }),
    key: z.string().nullable(),
    createdAt: Time,
    runAt: Time.nullable(),
    replaced: JobId.optional().meta({
      description:
        "ID of the earlier job with the same key, which was cancelled and replaced by this job",
    }),
  })
  .meta({
    id: "AcceptedJob",
    example: {
      id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
      type: "echo",
      queue: "default",
      status: "pending",
      outcome: "created",
      key: "order-1042",
      createdAt: "2026-11-23T09:30:00.000Z",
      runAt: null,
    },
  });
export type AcceptedJob = z.infer<typeof AcceptedJob>;

/** Marks the response to a dry run. Not a literal, because client generators mishandle an enumeration of booleans. */
export const DryRunAnswer = z.boolean().meta({ description: "Always true" });

/** The response to the dry run of an enqueue request. */
export const CheckedJob = z
  .strictObject({
    dryRun: DryRunAnswer,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    runAt: Time.nullable(),
    expiresAt: Time.nullable(),
  })
  .meta({
    id: "CheckedJob",
    example: {
      dryRun: true,
      type: "echo",
      queue: "default",
      key: null,
      runAt: null,
      expiresAt: null,
    },
  });
export type CheckedJob = z.infer<typeof CheckedJob>;

const JobAttempts = z.strictObject({ made: z.int(), max: z.int() }).meta({
  id: "JobAttempts",
  description:
    "made: started attempts, including lost ones. max: maximum attempts; lost attempts do not count towards it",
});

const jobExample = {
  id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
  type: "echo",
  queue: "default",
  key: "order-1042",
  importId: null,
  schedule: null,
  status: "completed",
  state: null,
  data: { message: "hello" },
  result: { message: "hello" },
  error: null,
  labels: ["nightly"],
  priority: null,
  attempts: { made: 1, max: 3 },
  progress: null,
  createdAt: "2026-11-23T09:30:00.000Z",
  runAt: null,
  expiresAt: null,
  settledAt: "2026-11-23T09:30:01.000Z",
};

export const Job = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    importId: z.uuid().nullable(),
    schedule: z
      .string()
      .nullable()
      .meta({ description: "Name of the schedule that created the job" }),
    status: JobStatus,
    state: z.union([JobState, z.null()]).meta({
      description:
        "State of a pending job in Redis; null if the job is finished or Redis is unavailable",
    }),
    data: z.unknown(),
    result: z.unknown(),
    error: z.union([JobError, z.null()]),
    labels: z.array(z.string()),
    priority: z.int().nullable(),
    attempts: JobAttempts,
    progress: z
      .unknown()
      .meta({ description: "Progress that the handler last reported; null if none" }),
    createdAt: Time,
    runAt: Time.nullable().meta({ description: "Due time of a delayed job" }),
    expiresAt: Time.nullable().meta({ description: "Time by which the job must be started" }),
    settledAt: Time.nullable(),
  })
  .meta({ id: "Job", example: jobExample });
export type Job = z.infer<typeof Job>;

/** When and where an attempt was executed. */
const attemptTimes = {
  startedAt: Time.nullable().meta({ description: "Null if unknown" }),
  durationMs: z
    .int()
    .min(0)
    .nullable()
    .meta({ description: "Null while the attempt is active, and if it was lost" }),
  worker: z.string().nullable().meta({ description: "Host name and process ID of the consumer" }),
};

/** The error name of an attempt whose consumer stopped without settling it. */
export const attemptLost = "AttemptLost";

/** The error of a failed attempt. */
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
    outcome: AttemptState.meta({
      description: "lost: the consumer stopped during the attempt, and the job was started again",
    }),
    ...attemptTimes,
  })
  .meta({ id: "Attempt" });
export type Attempt = z.infer<typeof Attempt>;

/** A log line of the handler. */
export const JobLogLine = z
  .strictObject({
    at: Time,
    level: z.enum(["debug", "info", "warn", "error"]),
    message: z.string(),
  })
  .meta({ id: "JobLogLine" });
export type JobLogLine = z.infer<typeof JobLogLine>;

/** A job with the details that take longer to read. */
export const JobDetail = Job.extend({
  startedAt: Time.nullable().meta({
    description: "Start time of the last attempt; null if unknown",
  }),
  position: z.int().min(1).nullable().meta({
    description:
      "Position in the queue: 1 for the next job to start; null for an active job, or if the position cannot be determined",
  }),
  estimatedStartAt: Time.nullable().meta({
    description:
      "Estimated start time: the due time of a delayed job; for other jobs estimated from the throughput of the last minute; null if there is no estimate. Not part of the ETag",
  }),
  attemptHistory: z.array(Attempt).meta({
    description: "The last attempts, oldest first, with start time, duration and worker",
  }),
  failures: z
    .array(RunError)
    .meta({ description: "Errors of the last failed attempts, oldest first" }),
  log: z.array(JobLogLine).meta({ description: "The last log lines of the handler" }),
  history: z
    .array(z.unknown())
    .meta({ description: "Final status of each earlier generation, before the job was retried" }),
}).meta({
  id: "JobDetail",
  example: {
    ...jobExample,
    startedAt: "2026-11-23T09:30:00.500Z",
    position: null,
    estimatedStartAt: null,
    attemptHistory: [
      {
        attempt: 1,
        outcome: "completed",
        startedAt: "2026-11-23T09:30:00.500Z",
        durationMs: 500,
        worker: "consumer-1:42",
      },
    ],
    failures: [],
    log: [],
    history: [],
  },
});
export type JobDetail = z.infer<typeof JobDetail>;
