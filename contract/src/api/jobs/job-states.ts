import { z } from "zod";

/** Status of a job in Postgres. All statuses except `pending` are final. */
export const JobStatus = z
  .enum(["pending", "completed", "dead", "cancelled", "expired"])
  .meta({ id: "JobStatus" });
export type JobStatus = z.infer<typeof JobStatus>;

export const FinalJobStatus = JobStatus.exclude(["pending"]);
export type FinalStatus = z.infer<typeof FinalJobStatus>;
export const finalStatuses: readonly FinalStatus[] = FinalJobStatus.options;

/**
 * The statuses that may follow a status. The step from a final status to `pending` is a retry or redrive and begins a
 * new generation. Postgres enforces each step by a condition on status and generation in the `update`.
 */
export const transitions: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  pending: finalStatuses,
  completed: ["pending"],
  dead: ["pending"],
  cancelled: ["pending"],
  expired: ["pending"],
};

/**
 * State of a pending job in Redis. `undispatched`: recorded, and the reconciler will dispatch the job; a job in another
 * state becomes `undispatched` when Redis loses the job. `waiting-children`: recorded, and dispatched when its children
 * have ended.
 */
export const JobState = z
  .enum(["waiting", "delayed", "prioritized", "active", "undispatched", "waiting-children"])
  .meta({ id: "JobState" });
export type JobState = z.infer<typeof JobState>;

/** State of a job that Redis has. */
export const RedisState = JobState.exclude(["undispatched", "waiting-children"]);
export type RedisState = z.infer<typeof RedisState>;

/**
 * Outcome of one attempt, as counted. `retried`: failed, and another attempt follows. `delayed`: postponed by a rate
 * limit without counting as an attempt. `requeued`: aborted by a shutdown and returned to the queue. `already-settled`:
 * the ledger has an outcome already, or does not know the job.
 */
export const attemptOutcomes = [
  "completed",
  "dead",
  "expired",
  "retried",
  "delayed",
  "requeued",
  "already-settled",
] as const;
export type AttemptOutcome = (typeof attemptOutcomes)[number];

/** The outcomes by which an attempt settles its job, each with the job's status. */
export const settlingOutcomes = [
  "completed",
  "dead",
  "expired",
] as const satisfies readonly (AttemptOutcome & FinalStatus)[];
export type SettlingOutcome = (typeof settlingOutcomes)[number];

/** How an attempt is shown in a job's history. `lost`: the consumer stopped during the attempt. */
export const AttemptState = z.enum(["active", "completed", "failed", "lost", "cancelled"]);
export type AttemptState = z.infer<typeof AttemptState>;
