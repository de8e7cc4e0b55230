import { z } from "zod";
import { ChildCounts, JobParent } from "./graph.ts";
import { Backoff } from "./job-options.ts";
import { AttemptState, JobState, JobStatus } from "./job-states.ts";

export const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });

export const JobId = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });

/** The error of a job or of one attempt. */
export const JobError = z
  .strictObject({ name: z.string(), message: z.string(), stack: z.string().optional() })
  .meta({ id: "JobError" });
export type JobError = z.infer<typeof JobError>;

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
  parent: null,
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
    parent: z.union([JobParent, z.null()]).meta({
      description: "ID of the parent job; null without one",
    }),
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
export const AttemptError = z
  .strictObject({
    attempt: z.int().min(1),
    at: Time,
    ...JobError.shape,
    startedAt: attemptTimes.startedAt.optional(),
    durationMs: attemptTimes.durationMs.optional(),
    worker: attemptTimes.worker.optional(),
  })
  .meta({ id: "AttemptError" });
export type AttemptError = z.infer<typeof AttemptError>;

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
  dispatchedAt: Time.nullable().meta({
    description:
      "Time at which a pending job was written to Redis; null if it was not, if the job is finished, or if Redis is unavailable",
  }),
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
  backoff: Backoff,
  timeoutMs: z.int().nullable().meta({
    description: "Maximum duration of one attempt, in milliseconds; null: no limit",
  }),
  order: z.enum(["fifo", "lifo"]),
  callbackUrl: z.string().nullable().meta({
    description:
      "URL to which the end of the job is reported, with its query replaced by `[secret]`; null: not reported",
  }),
  children: z.union([ChildCounts, z.null()]).meta({
    description: "Counts of the children by status; null without children",
  }),
  attemptHistory: z.array(Attempt).meta({
    description: "The last attempts, oldest first, with start time, duration and worker",
  }),
  failures: z
    .array(AttemptError)
    .meta({ description: "Errors of the last failed attempts, oldest first" }),
  log: z.array(JobLogLine).meta({ description: "The last log lines of the handler" }),
  history: z
    .array(z.unknown())
    .meta({ description: "Final status of each earlier generation, before the job was retried" }),
}).meta({
  id: "JobDetail",
  example: {
    ...jobExample,
    dispatchedAt: null,
    startedAt: "2026-11-23T09:30:00.500Z",
    position: null,
    estimatedStartAt: null,
    backoff: { type: "exponential", delay: 1000 },
    timeoutMs: null,
    order: "fifo",
    callbackUrl: null,
    children: null,
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
