import { z } from "zod";

export const limits = {
  keyLength: 255,
  attempts: 100,
  delayMs: 365 * 24 * 60 * 60 * 1000,
  pageSize: 500,
  dataBytes: 1_000_000,
  bodyBytes: 2_000_000,
  bulkBodyBytes: 32_000_000,
  bulkEntries: 10_000,
  /** Parsing holds up everything else for about 0.1 s a megabyte. */
  feedBytes: 8_000_000,
  importErrors: 100,
} as const;

/** How a job stands in the ledger. All but `pending` are final. */
export const JobStatus = z.enum(["pending", "completed", "dead", "cancelled", "expired"]);
export type JobStatus = z.infer<typeof JobStatus>;
export type FinalStatus = Exclude<JobStatus, "pending">;

/** Where a pending job stands in Redis. `unplaced`: recorded, and the reconciler will place it. */
const JobState = z.enum(["waiting", "delayed", "prioritized", "active", "unplaced"]);
export type JobState = z.infer<typeof JobState>;

export const Backoff = z.strictObject({
  type: z.enum(["fixed", "exponential"]),
  delay: z.int().min(0).meta({ description: "Milliseconds before the second run" }),
});
export type Backoff = z.infer<typeof Backoff>;

/** What the ledger keeps of how a job is to be done. */
export const JobOptions = z.strictObject({
  attempts: z.int().min(1).max(limits.attempts),
  backoff: Backoff,
});
export type JobOptions = z.infer<typeof JobOptions>;

const Key = z.string().min(1).max(limits.keyLength).meta({
  description: "Business identity: while a job of this type and key is pending, it is the answer",
  example: "order-1042",
});

/** The options that a client may send with a job, beside its type and data. */
export const requestOptions = {
  key: Key.optional(),
  delayMs: z
    .int()
    .min(0)
    .max(limits.delayMs)
    .optional()
    .meta({ description: "Milliseconds to wait before the first run" }),
  attempts: z
    .int()
    .min(1)
    .max(limits.attempts)
    .optional()
    .meta({ description: "Runs in all; by default the job type's, 3" }),
};

const JobId = z.uuid().meta({ example: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304" });
const Time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });

/** The error that ended a job or its last run. */
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
  })
  .meta({ id: "AcceptedJob" });
export type AcceptedJob = z.infer<typeof AcceptedJob>;

export const Job = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    key: z.string().nullable(),
    importId: z.uuid().nullable(),
    status: JobStatus,
    state: JobState.nullable().meta({
      description: "Where a pending job stands in Redis; null when it ended or Redis is away",
    }),
    data: z.unknown(),
    result: z.unknown(),
    error: JobError.nullable(),
    attempts: z.strictObject({ made: z.int(), max: z.int() }),
    progress: z.unknown().meta({ description: "What the handler last reported; null without any" }),
    createdAt: Time,
    runAt: Time.nullable().meta({ description: "When a delayed job is due" }),
    settledAt: Time.nullable(),
  })
  .meta({ id: "Job" });
export type Job = z.infer<typeof Job>;
