import { z } from "zod";
import { limits } from "./job.ts";
import { JobTemplate } from "./job-types/index.ts";
import { cronFault } from "../engine/schedules/cron.ts";
import { isTimeZone } from "../engine/schedules/zone.ts";

export const ScheduleName = z
  .string()
  .max(limits.scheduleNameLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.")
  .meta({ example: "nightly-feed" });

const Time = z.iso.datetime().meta({ example: "2026-11-23T02:30:00.000Z" });
const GivenTime = z.iso.datetime({ offset: true });

const timing = {
  cron: z
    .string()
    .max(200)
    .superRefine((expression, context) => {
      const fault = cronFault(expression);
      if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    })
    .optional()
    .meta({
      description:
        "Minute, hour, day of the month, month, day of the week; with six fields, seconds first. Of a local time that the " +
        "clocks leave out, the run comes at the end of the gap; of one that comes twice, the first time. An hour " +
        "field that allows every hour (`*`, `?`, `*,5`) goes by elapsed time: nothing is made up for, and the hour that " +
        "comes twice counts twice",
      example: "30 2 * * *",
    }),
  everyMs: z.int().min(limits.everyMs.min).max(limits.everyMs.max).optional().meta({
    description:
      "Milliseconds between runs, counted from `from`, else from 1970; instead of `cron`",
  }),
  timeZone: z
    .string()
    .max(100)
    .refine(isTimeZone, "Not a time zone of the IANA database.")
    .default("UTC")
    .meta({ description: "Of `cron`, as the IANA names it", example: "Europe/Berlin" }),
  from: GivenTime.optional().meta({
    description: "No run before this time",
    example: "2026-12-01T00:00:00+01:00",
  }),
  until: GivenTime.optional().meta({
    description: "No run after this time",
    example: "2027-12-01T00:00:00+01:00",
  }),
};

const rules = {
  overlap: z.enum(["skip", "queue", "replace"]).default("skip").meta({
    description:
      "When it is due and its job before is still pending: skip this run, queue it all the same, or cancel the job before",
  }),
  missed: z.enum(["skip", "once"]).default("once").meta({
    description:
      "What becomes of runs that no consumer was there for, for longer than a minute: none, or one for all of them",
  }),
  description: z.string().max(limits.descriptionLength).optional(),
};

/** When a schedule is due. */
export type Timing = z.output<z.ZodObject<typeof timing>>;

function hasOneRhythm({ cron, everyMs }: Timing) {
  return (cron === undefined) !== (everyMs === undefined);
}
const oneRhythm = { path: ["cron"], error: "Either `cron` or `everyMs` is needed, and not both." };

function isInOrder({ from, until }: Timing) {
  return from === undefined || until === undefined || Date.parse(from) <= Date.parse(until);
}
const inOrder = { path: ["until"], error: "Not before `from`." };

/** A schedule as it is sent. */
export const ScheduleDefinition = z
  .strictObject({ ...timing, job: JobTemplate, ...rules })
  .refine(hasOneRhythm, oneRhythm)
  .refine(isInOrder, inOrder)
  .meta({
    id: "ScheduleDefinition",
    // Beside the job, when it is due.
    minProperties: 2,
    example: {
      cron: "30 2 * * *",
      timeZone: "Europe/Berlin",
      job: { type: "feed.fetch", data: { url: "https://example.org/feed.xml" } },
    },
  });
export type ScheduleDefinition = z.output<typeof ScheduleDefinition>;

/** What a preview needs of a definition. */
export const PreviewedDefinition = z
  .strictObject({ ...timing, job: JobTemplate.optional(), ...rules })
  .refine(hasOneRhythm, oneRhythm)
  .refine(isInOrder, inOrder)
  .meta({
    id: "PreviewedDefinition",
    minProperties: 1,
    example: { cron: "30 2 * * *", timeZone: "Europe/Berlin" },
  });

export const ScheduleRun = z
  .strictObject({
    slot: Time.nullable().meta({
      description: "The time that it was due; null when somebody ran it",
    }),
    at: Time.meta({ description: "When that was decided" }),
    outcome: z.enum(["created", "duplicate", "skipped", "deferred", "failed"]).meta({
      description:
        "deferred: a quota of the API key that wrote the schedule is used up. It is tried again at `nextAt`, for the same time or for a later one",
    }),
    jobId: z.uuid().nullable().meta({
      description: "The job that was made; else the pending one that was in its way",
    }),
    reason: z.union([z.enum(["overlap", "missed", "quota", "invalid"]), z.null()]).meta({
      description:
        "overlap: the job before was still pending. missed: no consumer was there. quota: a quota of the API key that wrote " +
        "the schedule was used up. invalid: the job could not be made any more",
    }),
    detail: z.string().nullable(),
  })
  .meta({ id: "ScheduleRun" });
export type ScheduleRun = z.infer<typeof ScheduleRun>;

const ScheduledJob = z.looseObject({ type: z.string(), data: z.unknown() }).meta({
  id: "ScheduledJob",
  description: "The job as it was sent; its secrets are not shown",
});

export const Schedule = z
  .strictObject({
    name: ScheduleName,
    cron: z.string().nullable(),
    everyMs: z.int().nullable(),
    timeZone: z.string(),
    from: z.string().nullable(),
    until: z.string().nullable(),
    overlap: rules.overlap.unwrap(),
    missed: rules.missed.unwrap(),
    description: z.string().nullable(),
    job: ScheduledJob,
    source: z.enum(["api", "file"]).meta({
      description: "Who wrote it last; `file`: the SCHEDULES_FILE of a consumer",
    }),
    paused: z.boolean(),
    nextAt: Time.nullable().meta({ description: "Null when it is paused, or over" }),
    lastRun: z.union([ScheduleRun, z.null()]),
    version: z.int().meta({
      description:
        'Raised by every change of it, not by its runs; `If-Match: "<version>"` names it',
    }),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: "Schedule" });
export type Schedule = z.infer<typeof Schedule>;

export const SchedulePreview = z
  .strictObject({
    timeZone: z.string(),
    times: z.array(
      z
        .strictObject({
          at: Time,
          local: z.string().meta({
            description: "The same in the time zone",
            example: "2026-11-23T03:30:00+01:00",
          }),
        })
        .meta({ id: "PreviewedTime" }),
    ),
  })
  .meta({ id: "SchedulePreview" });
export type SchedulePreview = z.infer<typeof SchedulePreview>;
