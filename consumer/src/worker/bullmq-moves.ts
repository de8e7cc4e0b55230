import { Backoffs, DelayedError, Job, type RepeatOptions, WaitingError, type Worker } from "bullmq";
import type { TakenJob } from "./taken-job.ts";

/** What take.lua does not do, done by BullMQ. All methods reject with BullMQ's errors. */
export interface BullMqMoves {
  /**
   * Retries or fails a job whose attempt has thrown. Returns the job as BullMQ stores it; undefined for a job that the
   * attempt has delayed or requeued.
   */
  fail(job: TakenJob, thrown: Error): Promise<Job | undefined>;
  /** Finishes a completed job of a flow or with a deduplication id. */
  complete(job: TakenJob): Promise<void>;
  /** Creates the next job of the job scheduler that created this job. */
  scheduleNext(job: TakenJob, schedulerId: string): Promise<void>;
}

/** @param returnValue value that BullMQ stores and announces for completed jobs */
export function createBullMqMoves(worker: Worker, returnValue: string): BullMqMoves {
  /** Loads a job as BullMQ needs it, with the options that Toril changed. */
  async function load(job: TakenJob): Promise<Job> {
    const stored = await Job.fromId(worker, job.id);
    if (stored === undefined) throw new Error(`Missing key for job ${job.id}.`);
    const { backoff } = job.opts;
    Object.assign(stored.opts, job.opts, backoff && { backoff: Backoffs.normalize(backoff) });
    return stored;
  }

  return {
    async fail(job, thrown) {
      if (thrown instanceof DelayedError || thrown instanceof WaitingError) return undefined;
      const stored = await load(job);
      await stored.moveToFailed(thrown, job.token, false);
      return stored;
    },
    async complete(job) {
      const stored = await load(job);
      await stored.moveToCompleted(returnValue, job.token, false);
    },
    async scheduleNext({ id, name, data, opts }, schedulerId) {
      const scheduler = await worker.jobScheduler;
      const { repeat } = opts as { repeat?: RepeatOptions };
      if (repeat === undefined || !(await scheduler.isJobScheduler(schedulerId))) return;
      const origin = { override: false, producerId: id };
      await scheduler.upsertJobScheduler(schedulerId, repeat, name, data, opts, origin);
    },
  };
}
