import { z } from "zod";
import { JobId, JobLogLine, Time } from "./job.ts";
import { plainText } from "./json/plain-text.ts";
import { limits } from "./limits.ts";
import { FieldErrorSchema } from "./problem.ts";

/** Limits of the operations of workers. */
export const workerLimits = {
  /** Jobs of one request. */
  jobs: 1000,
  nameLength: 100,
  leaseMs: { min: 1000, max: 60 * 60 * 1000, default: 30_000 },
  waitMs: limits.waitSeconds * 1000,
  /** Size of a request that finishes or extends jobs. */
  bodyBytes: 8_000_000,
  /** Data of the jobs of one response; the last jobs may exceed it. */
  takenBytes: 8_000_000,
  leaseLength: 400,
  errorLength: 10_000,
  logLineLength: 1000,
} as const;

const names = z
  .array(z.string().min(1).max(200))
  .min(1)
  .max(100)
  .refine((all) => new Set(all).size === all.length, "Duplicate items are not allowed.");
const leaseMs = z.int().min(workerLimits.leaseMs.min).max(workerLimits.leaseMs.max);

/** Selects the jobs to take. */
export const JobsToTake = z
  .strictObject({
    types: names.optional().meta({
      description:
        "Job types to take. A queue is taken from as a whole: name all types of a queue, or the queue in `queues`",
    }),
    queues: names
      .optional()
      .meta({ description: "Queues to take from; without `types` too, all that the key may use" }),
    max: z.int().min(1).max(workerLimits.jobs).default(1).meta({
      description: "Maximum number of jobs; a response with much data has fewer",
    }),
    leaseMs: leaseMs.default(workerLimits.leaseMs.default).meta({
      description:
        "Time until the jobs return to their queue, unless the worker finishes them or extends the lease; the `timeoutMs` of a job shortens it",
    }),
    waitMs: z.int().min(0).max(workerLimits.waitMs).default(0).meta({
      description: "Maximum time to wait for a first job",
    }),
    worker: z
      .string()
      .min(1)
      .max(workerLimits.nameLength)
      .regex(plainText, "No control characters.")
      .optional()
      .meta({
        description:
          "Name of the worker, shown with its queues and in the history of jobs; by default the name of the API key",
      }),
  })
  .refine(({ types, queues }) => types === undefined || queues === undefined, {
    path: ["queues"],
    error: "`types` and `queues` are mutually exclusive.",
  })
  .meta({
    id: "JobsToTake",
    example: { max: 10, leaseMs: 30_000, waitMs: 0, worker: "resizer-1" },
  });
export type JobsToTake = z.output<typeof JobsToTake>;

const leaseExample = "images/0/5f1c2d3e-7b1a-4c3d-8a4e-5f6071829304";
const Lease = z.string().max(workerLimits.leaseLength).meta({
  description: "Proof that the worker holds the job; opaque",
  example: leaseExample,
});
const jobExample = {
  id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
  type: "image.resize",
  queue: "images",
  tenant: "default",
  data: { url: "https://example.org/a.png" },
  attempt: 1,
  maxAttempts: 3,
  lease: leaseExample,
  leaseUntil: "2026-11-23T09:30:30.000Z",
};

/** A job that a worker holds. */
export const LeasedJob = z
  .strictObject({
    id: JobId,
    type: z.string(),
    queue: z.string(),
    tenant: z.string(),
    data: z.unknown(),
    attempt: z.int().meta({ description: "Number of the attempt, from 1; lost attempts count" }),
    maxAttempts: z.int(),
    lease: Lease,
    leaseUntil: Time,
    timeoutMs: z.int().optional().meta({
      description: "Maximum duration of the attempt; the lease cannot be extended beyond",
    }),
    traceparent: z.string().optional().meta({ description: "W3C Trace Context of the job" }),
  })
  .meta({ id: "LeasedJob", example: jobExample });
export type LeasedJob = z.infer<typeof LeasedJob>;

export const TakenJobs = z
  .strictObject({ jobs: z.array(LeasedJob) })
  .meta({ id: "TakenJobs", example: { jobs: [jobExample] } });

const id = z.string().max(workerLimits.leaseLength);
const target = { id, lease: z.string().max(workerLimits.leaseLength) };

const CompletedReport = z
  .strictObject({ ...target, outcome: z.literal("completed"), result: z.unknown().optional() })
  .meta({ id: "CompletedReport" });

const ReportedError = z
  .strictObject({
    name: z.string().max(workerLimits.errorLength).optional(),
    message: z.string().max(workerLimits.errorLength),
    stack: z.string().max(workerLimits.errorLength).optional(),
  })
  .meta({ id: "ReportedError", description: "Stored with the job; long texts are cut" });

const DelayedRetry = z
  .strictObject({
    afterMs: z.int().min(0).max(limits.delayMs).meta({
      description: "Retry after this time, without using up an attempt",
    }),
  })
  .meta({ id: "DelayedRetry" });

const FailedReport = z
  .strictObject({
    ...target,
    outcome: z.literal("failed"),
    error: ReportedError,
    retry: z.union([z.boolean(), DelayedRetry]).optional().meta({
      description:
        "true (default): by attempts and backoff of the job. false: the job is dead at once",
    }),
  })
  .meta({ id: "FailedReport" });

const ReleasedReport = z
  .strictObject({ ...target, outcome: z.literal("released") })
  .meta({ id: "ReleasedReport" });

const AttemptReport = z
  .discriminatedUnion("outcome", [CompletedReport, FailedReport, ReleasedReport])
  .meta({
    id: "AttemptReport",
    description:
      "What an attempt came to. released: the job returns to the front of its queue, without using up an attempt",
  });
export type AttemptReport = z.output<typeof AttemptReport>;

/** The request that finishes attempts. */
export const WorkerFinish = z
  .strictObject({
    results: z.array(AttemptReport).min(1).max(workerLimits.jobs),
    // Also takes the next jobs.
    take: JobsToTake.optional(),
  })
  .meta({
    id: "WorkerFinish",
    example: {
      results: [
        {
          id: jobExample.id,
          lease: leaseExample,
          outcome: "completed",
          result: { width: 100 },
        },
      ],
      take: { max: 1, worker: "resizer-1" },
    },
  });
export type WorkerFinish = z.output<typeof WorkerFinish>;

export const FinishedAttempt = z
  .strictObject({
    id,
    outcome: z.enum(["settled", "already-settled", "lease-lost", "invalid-result"]).meta({
      description:
        "settled: recorded. already-settled: the job had ended before, for example it was cancelled or this is a repeated request. " +
        "lease-lost: nothing changed, because the worker does not hold the job any more. " +
        "invalid-result: the result does not match the schema of the type, so the attempt has failed",
    }),
    job: z.enum(["completed", "retried", "delayed", "released", "dead"]).optional().meta({
      description:
        "What follows, for `settled` and `invalid-result`. retried: another attempt follows. delayed: by `afterMs`",
    }),
    errors: z
      .array(FieldErrorSchema)
      .optional()
      .meta({ description: "Why a result is invalid; pointers into the body of the request" }),
  })
  .meta({ id: "FinishedAttempt" });
export type FinishedAttempt = z.infer<typeof FinishedAttempt>;

export const FinishedAttempts = z
  .strictObject({
    results: z.array(FinishedAttempt).meta({ description: "In the order of the request" }),
    jobs: z.array(LeasedJob).optional().meta({ description: "The next jobs, with `take`" }),
  })
  .meta({
    id: "FinishedAttempts",
    example: { results: [{ id: jobExample.id, outcome: "settled", job: "completed" }], jobs: [] },
  });

const LogText = z.string().max(workerLimits.logLineLength);
const LogEntry = z
  .strictObject({ level: JobLogLine.shape.level.optional(), message: LogText })
  .meta({ id: "LogEntry" });
const LogLine = z.union([LogText, LogEntry]);

const LeaseToExtend = z
  .strictObject({
    ...target,
    progress: z
      .union([z.number(), z.record(z.string(), z.unknown())])
      .optional()
      .meta({ description: "Progress of the job: a number or an object" }),
    log: z
      .union([LogText, LogEntry, z.array(LogLine).max(limits.logLines)])
      .optional()
      .meta({ description: "Lines for the log of the job" }),
  })
  .meta({ id: "LeaseToExtend" });

/** The request that extends leases. */
export const LeaseExtension = z
  .strictObject({
    leases: z.array(LeaseToExtend).min(1).max(workerLimits.jobs),
    leaseMs: leaseMs.default(workerLimits.leaseMs.default),
  })
  .meta({
    id: "LeaseExtension",
    example: {
      leases: [{ id: jobExample.id, lease: leaseExample, progress: 50, log: "half done" }],
      leaseMs: 30_000,
    },
  });
export type LeaseExtension = z.output<typeof LeaseExtension>;

export const ExtendedLease = z
  .strictObject({
    id,
    leaseUntil: Time.optional(),
    cancelled: z.boolean().optional().meta({
      description: "true: the job has ended, for example it was cancelled; stop working on it",
    }),
    lost: z.boolean().optional().meta({
      description: "true: the worker does not hold the job any more; stop working on it",
    }),
  })
  .meta({ id: "ExtendedLease" });
export type ExtendedLease = z.infer<typeof ExtendedLease>;

export const ExtendedLeases = z
  .strictObject({
    leases: z.array(ExtendedLease).meta({ description: "In the order of the request" }),
  })
  .meta({
    id: "ExtendedLeases",
    example: { leases: [{ id: jobExample.id, leaseUntil: jobExample.leaseUntil }] },
  });
