import { z } from "zod";
import { limits } from "./limits.ts";
import type { JobTemplate } from "./jobs/job-request.ts";

export const ScheduleName = z
  .string()
  .max(limits.scheduleNameLength)
  .regex(/^[A-Za-z0-9][\w.-]*$/, "Letters, digits, dots, dashes and underscores.")
  .meta({ example: "nightly-feed" });

const Time = z.iso.datetime().meta({ example: "2026-11-23T02:30:00.000Z" });
const RequestTime = z.iso.datetime({ offset: true });

/** Maximum lengths. The service also checks cron expressions and time zones, which takes a parser. */
export const timingLimits = { cron: 200, timeZone: 100 };

const timing = {
  cron: z
    .string()
    .max(timingLimits.cron)
    .optional()
    .meta({
      description:
        "Cron expression: minute, hour, day of month, month, day of week; with six fields, seconds first. A local time that is skipped " +
        "by a clock change fires at the end of the gap; a local time that occurs twice fires the first time. If the hour " +
        "field allows every hour (`*`, `?`, `*,5`), the schedule follows elapsed time: a skipped hour is not caught up, and a repeated " +
        "hour fires twice",
      example: "30 2 * * *",
    }),
  everyMs: z.int().min(limits.everyMs.min).max(limits.everyMs.max).optional().meta({
    description:
      "Interval in milliseconds, counted from `from` or else from 1970-01-01T00:00:00Z; mutually exclusive with `cron`",
  }),
  timeZone: z
    .string()
    .max(timingLimits.timeZone)
    .default("UTC")
    .meta({ description: "IANA time zone of `cron`", example: "Europe/Berlin" }),
  from: RequestTime.optional().meta({
    description: "No fire time before this time",
    example: "2026-12-01T00:00:00+01:00",
  }),
  until: RequestTime.optional().meta({
    description: "No fire time after this time",
    example: "2027-12-01T00:00:00+01:00",
  }),
};

const rules = {
  overlap: z.enum(["skip", "queue", "replace"]).default("skip").meta({
    description:
      "If the previous job is still pending at a fire time: skip this fire time, queue another job, or replace the previous job, which is cancelled",
  }),
  misfire: z.enum(["skip", "catch-up"]).default("catch-up").meta({
    description:
      "Misfire policy, for fire times more than a minute in the past because no consumer was running: skip creates no job, catch-up creates one job for all of them",
  }),
  description: z.string().max(limits.descriptionLength).optional(),
};

/** The fields that determine the fire times of a schedule. */
export type Timing = z.output<z.ZodObject<typeof timing>>;

function hasOneTiming({ cron, everyMs }: Timing) {
  return (cron === undefined) !== (everyMs === undefined);
}
const oneTiming = { path: ["cron"], error: "Exactly one of `cron` and `everyMs` is required." };

function isInOrder({ from, until }: Timing) {
  return from === undefined || until === undefined || Date.parse(from) <= Date.parse(until);
}
const inOrder = { path: ["until"], error: "Must not be before `from`." };

type ScheduleSchemas = ReturnType<typeof createScheduleSchemas>;
/** The request body that creates or replaces a schedule. */
export type ScheduleDefinition = z.output<ScheduleSchemas["ScheduleDefinition"]>;
export type ScheduleDefinitionInput = z.input<ScheduleSchemas["ScheduleDefinition"]>;

/** Creates the schemas of the requests that contain a schedule. */
export function createScheduleSchemas(
  JobTemplate: z.ZodType<JobTemplate>,
  example: JobTemplate | undefined,
) {
  return {
    ScheduleDefinition: z
      .strictObject({ ...timing, job: JobTemplate, ...rules })
      .refine(hasOneTiming, oneTiming)
      .refine(isInOrder, inOrder)
      .meta({
        id: "ScheduleDefinition",
        // The job, and `cron` or `everyMs`.
        minProperties: 2,
        ...(example && { example: { ...exampleTiming, job: example } }),
      }),
    /** The request body of a preview; the job is optional. */
    PreviewedDefinition: z
      .strictObject({ ...timing, job: JobTemplate.optional(), ...rules })
      .refine(hasOneTiming, oneTiming)
      .refine(isInOrder, inOrder)
      .meta({ id: "PreviewedDefinition", minProperties: 1, example: exampleTiming }),
  };
}

const exampleTiming = { cron: "30 2 * * *", timeZone: "Europe/Berlin" };

export const ScheduleRun = z
  .strictObject({
    scheduledFor: Time.nullable().meta({
      description: "The fire time; null for a manual run",
    }),
    at: Time.meta({ description: "Time of the decision" }),
    outcome: z.enum(["created", "duplicate", "skipped", "deferred", "failed"]).meta({
      description:
        "deferred: a quota of the API key that wrote the schedule is exceeded. The schedule is retried at `nextAt`, for the same fire time or a later one",
    }),
    jobId: z.uuid().nullable().meta({
      description: "ID of the created job, or of the pending job that prevented it",
    }),
    reason: z
      .union([z.enum(["overlap", "misfire", "quota", "invalid", "callback"]), z.null()])
      .meta({
        description:
          "overlap: the previous job was still pending. misfire: no consumer was running. quota: a quota of the API key that wrote " +
          "the schedule was exceeded. invalid: the job is no longer valid. callback: no webhook permits the `callbackUrl` any more; the " +
          "job was created without it",
      }),
    detail: z.string().nullable(),
  })
  .meta({ id: "ScheduleRun" });
export type ScheduleRun = z.infer<typeof ScheduleRun>;

const ScheduledJob = z.looseObject({ type: z.string(), data: z.unknown() }).meta({
  id: "ScheduledJob",
  description: "The job as sent, with secrets redacted",
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
    misfire: rules.misfire.unwrap(),
    description: z.string().nullable(),
    job: ScheduledJob,
    source: z.enum(["api", "file"]).meta({
      description: "Source of the last change; `file`: the SCHEDULES_FILE of a consumer",
    }),
    paused: z.boolean(),
    nextAt: Time.nullable().meta({
      description: "Next fire time; null if the schedule is paused or has ended",
    }),
    lastRun: z.union([ScheduleRun, z.null()]),
    version: z.int().meta({
      description:
        'Incremented by every change of the schedule, not by its runs; use it in `If-Match: "<version>"`',
    }),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({
    id: "Schedule",
    example: {
      name: "nightly-feed",
      cron: "30 2 * * *",
      everyMs: null,
      timeZone: "Europe/Berlin",
      from: null,
      until: null,
      overlap: "skip",
      misfire: "catch-up",
      description: null,
      job: { type: "feed.fetch", data: { url: "https://example.org/feed.xml" } },
      source: "api",
      paused: false,
      nextAt: "2026-11-24T01:30:00.000Z",
      lastRun: {
        scheduledFor: "2026-11-23T01:30:00.000Z",
        at: "2026-11-23T01:30:00.200Z",
        outcome: "created",
        jobId: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304",
        reason: null,
        detail: null,
      },
      version: 1,
      createdAt: "2026-11-01T09:30:00.000Z",
      updatedAt: "2026-11-01T09:30:00.000Z",
    },
  });
export type Schedule = z.infer<typeof Schedule>;

export const SchedulePreview = z
  .strictObject({
    timeZone: z.string(),
    times: z.array(
      z
        .strictObject({
          at: Time,
          local: z.string().meta({
            description: "The same time in the time zone of the schedule",
            example: "2026-11-23T03:30:00+01:00",
          }),
        })
        .meta({ id: "PreviewedTime" }),
    ),
  })
  .meta({
    id: "SchedulePreview",
    example: {
      timeZone: "Europe/Berlin",
      times: [{ at: "2026-11-24T01:30:00.000Z", local: "2026-11-24T02:30:00+01:00" }],
    },
  });
export type SchedulePreview = z.infer<typeof SchedulePreview>;
