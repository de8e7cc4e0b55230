import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { JobsOptions, RepeatOptions, Worker } from "bullmq";

/** Creates the next job of the BullMQ job scheduler that created a job. Rejects with BullMQ's errors. */
export async function scheduleNext(
  worker: Worker,
  { id, name, data, opts }: TakenJob,
  schedulerId: string,
): Promise<void> {
  const scheduler = await worker.jobScheduler;
  const { repeat } = opts as { repeat?: RepeatOptions };
  if (repeat === undefined || !(await scheduler.isJobScheduler(schedulerId))) return;
  const origin = { override: false, producerId: id };
  await scheduler.upsertJobScheduler(schedulerId, repeat, name, data, opts as JobsOptions, origin);
}
