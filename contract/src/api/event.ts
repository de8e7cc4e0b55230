import { z } from "zod";
import { Job, JobError, JobId, JobStatus, Time } from "./job.ts";

/** What can happen to a job. The last four end it. */
export const JobEventName = z.enum([
  "waiting",
  "delayed",
  "active",
  "progress",
  "failed",
  "completed",
  "dead",
  "cancelled",
  "expired",
]);
export type JobEventName = z.infer<typeof JobEventName>;

/** The data of an event in a stream of events, except `snapshot` and `gap`. */
export const JobEvent = z
  .strictObject({
    event: JobEventName.meta({
      description: "failed: a run failed, and another follows. dead: none does",
    }),
    id: JobId,
    type: z.string(),
    queue: z.string(),
    importId: z.uuid().nullable(),
    status: JobStatus,
    at: Time,
    runAt: Time.optional().meta({ description: "When a delayed job is due" }),
    attempts: z.int().optional().meta({ description: "Runs that were made until then" }),
    progress: z.unknown().optional(),
    /** Of a failed run without stack. */
    error: JobError.optional(),
    /** As it ended, in its own stream alone. */
    job: Job.optional(),
  })
  .meta({ id: "JobEvent" });
export type JobEvent = z.infer<typeof JobEvent>;

/** The data of a `gap`: events of this queue may be missing at this place. */
export const EventGap = z.strictObject({ queue: z.string() }).meta({ id: "EventGap" });
export type EventGap = z.infer<typeof EventGap>;
