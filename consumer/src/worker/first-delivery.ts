import { isRecovered } from "@toril/contract/engine/redis/scripts/options";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";

type StartedJob = Pick<
  TakenJob,
  "timestamp" | "attemptsStarted" | "attemptsMade" | "stalledCounter" | "opts"
>;

/**
 * Decides whether a job may start without a check of the ledger: a first attempt, dispatched by the producer moments
 * ago, and Redis has not been unavailable, failed over or flushed since.
 */
export interface FirstDelivery {
  isFirst(job: StartedJob): boolean;
  /** Requires a ledger check of all jobs dispatched until now: Redis may have restored old jobs. */
  requireLedgerCheck(): void;
}

/** Maximum age of a first delivery, and tolerance for clock differences. */
const freshMs = 3000;

/** @param changedAt time since which Redis has lost nothing, in Unix ms */
export function createFirstDelivery(now: () => number, changedAt: () => number): FirstDelivery {
  let checkRequiredAt = now();
  return {
    isFirst(job) {
      const ageMs = now() - job.timestamp;
      return (
        ageMs >= 0 &&
        ageMs < freshMs &&
        job.timestamp - freshMs >= Math.max(checkRequiredAt, changedAt()) &&
        job.attemptsStarted === 1 &&
        job.attemptsMade === 0 &&
        job.stalledCounter === 0 &&
        !isRecovered(job.opts)
      );
    },
    requireLedgerCheck() {
      checkRequiredAt = now();
    },
  };
}
