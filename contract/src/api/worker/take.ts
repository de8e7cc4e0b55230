import { z } from "zod";
import { JobId, Time } from "../jobs/job.ts";
import { plainText } from "../json/plain-text.ts";
import { workerLimits } from "../limits.ts";

const names = z
  .array(z.string().min(1).max(200))
  .min(1)
  .max(100)
  .refine((all) => new Set(all).size === all.length, "Duplicate items are not allowed.");
/** How long a worker holds jobs. */
export const LeaseMs = z.int().min(workerLimits.leaseMs.min).max(workerLimits.leaseMs.max);

/** Selects the jobs to take. */
export const JobsToTake = z
  .strictObject({
    types: names.optional().meta({
      description:
        "Job types to take. They must include all types of their queues; alternatively, name queues in `queues`",
    }),
    queues: names.optional().meta({
      description:
        "Queues to take from; default, without `types`: all queues that the key may access",
    }),
    max: z.int().min(1).max(workerLimits.jobs).default(1).meta({
      description: "Maximum number of jobs; fewer are returned if their data is large",
    }),
    leaseMs: LeaseMs.default(workerLimits.leaseMs.default).meta({
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

export const leaseExample = "images/0/5f1c2d3e-7b1a-4c3d-8a4e-5f6071829304";
const Lease = z.string().max(workerLimits.leaseLength).meta({
  description: "Proof that the worker holds the job; opaque",
  example: leaseExample,
});
export const leasedJobExample = {
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
  .meta({ id: "LeasedJob", example: leasedJobExample });
export type LeasedJob = z.infer<typeof LeasedJob>;

export const TakenJobs = z
  .strictObject({ jobs: z.array(LeasedJob) })
  .meta({ id: "TakenJobs", example: { jobs: [leasedJobExample] } });

const id = z.string().max(workerLimits.leaseLength);

/** The fields that identify a job that a worker holds. */
export const leaseTarget = { id, lease: z.string().max(workerLimits.leaseLength) };
