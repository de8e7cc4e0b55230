import type { Job } from "bullmq";

type StartedJob = Pick<
  Job,
  "timestamp" | "attemptsStarted" | "attemptsMade" | "stalledCounter" | "opts"
>;

/**
 * Whether a job may start without asking the ledger: it is its first start, nobody but the producer placed it, and
 * that was moments ago, since which Redis has not been away, failed over or been flushed.
 */
export interface FirstDelivery {
  isFirst(job: StartedJob): boolean;
  /** Jobs that were placed until now may have been brought back. */
  doubt(): void;
}

/** Also what clocks may differ by. */
const freshMs = 3000;

/** @param changedAt since when Redis has lost nothing, in ms since 1970 */
export function createFirstDelivery(now: () => number, changedAt: () => number): FirstDelivery {
  let doubtedAt = now();
  return {
    isFirst(job) {
      const ageMs = now() - job.timestamp;
      return (
        ageMs >= 0 &&
        ageMs < freshMs &&
        job.timestamp - freshMs >= Math.max(doubtedAt, changedAt()) &&
        job.attemptsStarted === 1 &&
        job.attemptsMade === 0 &&
        job.stalledCounter === 0 &&
        !isReplaced(job)
      );
    },
    doubt() {
      doubtedAt = now();
    },
  };
}

/** The reconciler's mark; BullMQ keeps options that it does not know. */
function isReplaced(job: StartedJob) {
  return (job.opts as { replaced?: boolean }).replaced === true;
}
