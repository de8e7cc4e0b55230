import { z } from "zod";
import { limits, workerLimits } from "../limits.ts";
import { FieldErrorSchema } from "../problem.ts";
import { JobsToTake, LeasedJob, leasedJobExample, leaseExample, leaseTarget } from "./take.ts";

const CompletedReport = z
  .strictObject({ ...leaseTarget, outcome: z.literal("completed"), result: z.unknown().optional() })
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
    ...leaseTarget,
    outcome: z.literal("failed"),
    error: ReportedError,
    retry: z.union([z.boolean(), DelayedRetry]).optional().meta({
      description:
        "true (default): by attempts and backoff of the job. false: the job is dead at once",
    }),
  })
  .meta({ id: "FailedReport" });

const ReleasedReport = z
  .strictObject({ ...leaseTarget, outcome: z.literal("released") })
  .meta({ id: "ReleasedReport" });

const AttemptReport = z
  .discriminatedUnion("outcome", [CompletedReport, FailedReport, ReleasedReport])
  .meta({
    id: "AttemptReport",
    description:
      "Outcome of the attempt. released: the job returns to the front of its queue, without using up an attempt",
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
          id: leasedJobExample.id,
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
    id: leaseTarget.id,
    outcome: z.enum(["settled", "already-settled", "lease-lost", "invalid-result"]).meta({
      description:
        "settled: recorded. already-settled: the job had ended before, for example because it was cancelled or the request is repeated. " +
        "lease-lost: nothing changed, because the worker has lost the lease. " +
        "invalid-result: the result does not match the schema of the type, so the attempt has failed",
    }),
    job: z.enum(["completed", "retried", "delayed", "released", "dead"]).optional().meta({
      description:
        "Outcome, for `settled` and `invalid-result`. retried: another attempt follows. delayed: by `afterMs`",
    }),
    errors: z
      .array(FieldErrorSchema)
      .optional()
      .meta({ description: "Errors of an invalid result; pointers into the body of the request" }),
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
    example: {
      results: [{ id: leasedJobExample.id, outcome: "settled", job: "completed" }],
      jobs: [],
    },
  });
