import { type Job, QueueEvents } from "bullmq";
import { Redis } from "ioredis";

/** Returns a function that waits until a job has ended; events are read from the first call on. */
export function createWait(queue: string, redisUrl: string): (job: Job) => Promise<void> {
  let events: QueueEvents | undefined;
  return async (job) => {
    events ??= new QueueEvents(queue, {
      connection: new Redis(redisUrl, { maxRetriesPerRequest: null }),
    });
    await events.waitUntilReady();
    await job.waitUntilFinished(events).catch((error: unknown) => {
      // A job that is missing was completed and removed.
      if (!String(error).includes("Missing key")) throw error;
    });
  };
}
