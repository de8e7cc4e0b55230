import type { TakenJob } from "./taken-job.ts";

/** A job as BullMQ loads it. */
export interface StoredJob {
  opts: object;
  moveToFailed(error: Error, token: string, fetchNext: boolean): Promise<unknown>;
  moveToCompleted(returnValue: string, token: string, fetchNext: boolean): Promise<unknown>;
}

/** Outcomes that take.lua does not support, applied by BullMQ. All methods reject with BullMQ's errors. */
export interface BullMqMoves<Stored> {
  /** Retries or fails a job whose attempt has failed. Returns the job as BullMQ stores it. */
  fail(job: TakenJob, failure: Error): Promise<Stored>;
  /** Finishes a completed job of a flow or with a deduplication id. */
  complete(job: TakenJob): Promise<void>;
}

export interface BullMqMovesDeps<Stored> {
  load(id: string): Promise<Stored | undefined>;
  /** Value that BullMQ stores and announces for completed jobs. */
  returnValue: string;
}

export function createBullMqMoves<Stored extends StoredJob>({
  load,
  returnValue,
}: BullMqMovesDeps<Stored>): BullMqMoves<Stored> {
  /** Loads a job as BullMQ needs it, with the options that Toril changed. */
  async function loadChanged(job: TakenJob): Promise<Stored> {
    const stored = await load(job.id);
    if (stored === undefined) throw new Error(`Missing key for job ${job.id}.`);
    Object.assign(stored.opts, job.opts, normalizeBackoff(job.opts.backoff));
    return stored;
  }

  return {
    async fail(job, failure) {
      const stored = await loadChanged(job);
      await stored.moveToFailed(failure, job.token, false);
      return stored;
    },
    async complete(job) {
      const stored = await loadChanged(job);
      await stored.moveToCompleted(returnValue, job.token, false);
    },
  };
}

/** Other producers of BullMQ may send a number, which BullMQ's own worker expands. */
function normalizeBackoff(backoff: unknown): object | undefined {
  return typeof backoff === "number" ? { backoff: { type: "fixed", delay: backoff } } : undefined;
}
