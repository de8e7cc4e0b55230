import { z } from "zod";
import { FinalJobStatus, JobStatus } from "./job-states.ts";
import { Job, JobError, JobId, Time } from "./job.ts";

/** The events of a job. Those named like a final status end the job. */
export const JobEventName = z.enum([
  "waiting",
  "delayed",
  "active",
  "progress",
  "failed",
  ...FinalJobStatus.options,
]);
export type JobEventName = z.infer<typeof JobEventName>;

/** The data of a server-sent event, except `snapshot` and `gap`. */
export const JobEvent = z
  .strictObject({
    event: JobEventName.meta({
      description:
        "failed: an attempt failed and the job will be retried. dead: the job failed permanently",
    }),
    id: JobId,
    type: z.string(),
    queue: z.string(),
    importId: z.uuid().nullable(),
    status: JobStatus,
    at: Time,
    runAt: Time.optional().meta({ description: "Due time of a delayed job" }),
    attempts: z.int().optional().meta({ description: "Number of attempts made so far" }),
    progress: z.unknown().optional(),
    /** The error of a failed attempt, without stack. */
    error: JobError.optional(),
    /** The finished job; only in the stream of the job itself. */
    job: Job.optional(),
  })
  .meta({ id: "JobEvent" });
export type JobEvent = z.infer<typeof JobEvent>;

/** The data of a `gap` event: events of this queue may be missing at this point. */
export const EventGap = z.strictObject({ queue: z.string() }).meta({ id: "EventGap" });
export type EventGap = z.infer<typeof EventGap>;
