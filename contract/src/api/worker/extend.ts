import { z } from "zod";
import { JobLogLine, Time } from "../jobs/job.ts";
import { limits, workerLimits } from "../limits.ts";
import { leasedJobExample, leaseExample, LeaseMs, leaseTarget } from "./take.ts";

const LogText = z.string().max(workerLimits.logLineLength);
const LogEntry = z
  .strictObject({ level: JobLogLine.shape.level.optional(), message: LogText })
  .meta({ id: "LogEntry" });
const LogLine = z.union([LogText, LogEntry]);

const LeaseToExtend = z
  .strictObject({
    ...leaseTarget,
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
    leaseMs: LeaseMs.default(workerLimits.leaseMs.default),
  })
  .meta({
    id: "LeaseExtension",
    example: {
      leases: [{ id: leasedJobExample.id, lease: leaseExample, progress: 50, log: "half done" }],
      leaseMs: 30_000,
    },
  });
export type LeaseExtension = z.output<typeof LeaseExtension>;

export const ExtendedLease = z
  .strictObject({
    id: leaseTarget.id,
    leaseUntil: Time.optional(),
    cancelled: z.boolean().optional().meta({
      description:
        "true: the job has ended, for example because it was cancelled; stop working on the job",
    }),
    lost: z.boolean().optional().meta({
      description: "true: the worker has lost the lease; stop working on the job",
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
    example: { leases: [{ id: leasedJobExample.id, leaseUntil: leasedJobExample.leaseUntil }] },
  });
