import { z } from "zod";
import { integerParameter } from "../integer-parameter.ts";
import { createPage, pageQuery } from "../page.ts";
import { AcceptedJob } from "../jobs/accepted-job.ts";
import { limits } from "../limits.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { Schedule, ScheduleName, SchedulePreview } from "../schedule.ts";
import { json, locationBelow, notModified, versionTag } from "./define/headers.ts";
import { pathParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";

const tags: [string] = ["Schedules"];
const params = pathParameter("name", ScheduleName, "Name of the schedule");
const etag = versionTag("schedule");
const shown = { content: json(Schedule), headers: etag };
const unread = ["empty-body", ...bodyProblems, "invalid-schedule"] as const;
const missing = ["invalid-parameter", "forbidden-resource", "schedule-not-found"] as const;

/** Creates the operations whose schemas depend on the job types. */
export function createScheduleRoutes({ schemas }: JobTypeRegistry) {
  const putSchedule = defineRoute({
    operationId: "putSchedule",
    summary: "Create or replace a schedule",
    description:
      "Validates the job of the schedule like a job that is enqueued now. A paused schedule stays paused. With `If-None-Match: *` the request only creates a schedule and never replaces one.",
    tags,
    scope: "schedules:write",
    method: "put",
    path: "/v1/schedules/{name}",
    conditional: true,
    request: {
      params,
      body: {
        required: true,
        content: json(schemas.ScheduleDefinition),
      },
    },
    responses: {
      200: { description: "The replaced schedule", ...shown },
      201: {
        description: "The created schedule",
        ...shown,
        headers: { ...etag, ...locationBelow("/v1/schedules") },
      },
    },
    problems: [
      "invalid-parameter",
      "forbidden-resource",
      ...unread,
      "too-many-schedules",
      "data-too-large",
      "unstorable-secret",
      "quota-exceeded",
    ],
  });

  const previewDefinition = defineRoute({
    operationId: "previewDefinition",
    summary: "Preview a schedule definition",
    description:
      "Computes the next fire times of a definition without storing the definition. `job` is optional; it is validated as by PUT, except for its `callbackUrl`.",
    tags,
    scope: "jobs:read",
    method: "post",
    path: "/v1/schedules/preview",
    request: {
      query: previewQuery,
      body: {
        required: true,
        content: json(schemas.PreviewedDefinition),
      },
    },
    responses: preview,
    problems: ["invalid-parameter", ...unread, "data-too-large", "unstorable-secret"],
  });
  return { putSchedule, previewDefinition };
}

const SchedulePage = createPage("SchedulePage", Schedule);

export const listSchedules = defineRoute({
  operationId: "listSchedules",
  summary: "List schedules",
  description:
    "Returns schedules, ordered by name. A page contains at most 2 MB: a page may be short although more results exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/schedules",
  request: {
    query: z.strictObject(pageQuery),
  },
  responses: {
    200: {
      description: "One page of schedules",
      content: json(SchedulePage),
    },
  },
  problems: ["invalid-parameter"],
});

export const getSchedule = defineRoute({
  operationId: "getSchedule",
  summary: "Get a schedule",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/schedules/{name}",
  conditional: true,
  request: { params },
  responses: { 200: { description: "The schedule", ...shown }, 304: notModified },
  problems: missing,
});

export const deleteSchedule = defineRoute({
  operationId: "deleteSchedule",
  summary: "Delete a schedule",
  description: "Deletes the schedule. Jobs that the schedule created are not affected.",
  tags,
  scope: "schedules:write",
  method: "delete",
  path: "/v1/schedules/{name}",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "The deleted schedule",
      content: json(Schedule),
    },
  },
  problems: missing,
});

export const pauseSchedule = defineRoute({
  operationId: "pauseSchedule",
  summary: "Pause a schedule",
  tags,
  scope: "schedules:write",
  method: "post",
  path: "/v1/schedules/{name}/pause",
  conditional: true,
  request: { params },
  responses: {
    200: { description: "The schedule is paused; also returned if it was paused before", ...shown },
  },
  problems: missing,
});

export const resumeSchedule = defineRoute({
  operationId: "resumeSchedule",
  summary: "Resume a schedule",
  description:
    "The schedule continues with its next fire time. Fire times during the pause are not caught up.",
  tags,
  scope: "schedules:write",
  method: "post",
  path: "/v1/schedules/{name}/resume",
  conditional: true,
  request: { params },
  responses: {
    200: { description: "The schedule is active; also returned if it was not paused", ...shown },
  },
  problems: missing,
});

const acceptedJob = {
  content: json(AcceptedJob),
  headers: locationBelow("/v1/jobs"),
};

export const runSchedule = defineRoute({
  operationId: "runSchedule",
  summary: "Run a schedule",
  description:
    "Enqueues the job of the schedule immediately, even if the schedule is paused, and ignores `overlap`. The `overlap` rule of the next fire time treats this job as the previous job.",
  tags,
  scope: "schedules:write",
  method: "post",
  path: "/v1/schedules/{name}/run",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "A pending job with this key already exists; the body describes it",
      ...acceptedJob,
    },
    201: { description: "Recorded and dispatched to Redis", ...acceptedJob },
    202: {
      description: "Recorded; Redis is unavailable, the job will be dispatched later",
      ...acceptedJob,
    },
  },
  problems: [...missing, "invalid-schedule", "unstorable-secret", "quota-exceeded"],
});

const previewQuery = z.strictObject({
  count: integerParameter(1, limits.previewedTimes).default(10),
  after: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: "Only fire times after this time; default: now" }),
});
const preview = {
  200: {
    description: "The next fire times; fewer than `count` if the schedule ends before",
    content: json(SchedulePreview),
  },
};

export const previewSchedule = defineRoute({
  operationId: "previewSchedule",
  summary: "Preview a schedule",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/schedules/{name}/preview",
  request: { params, query: previewQuery },
  responses: preview,
  problems: missing,
});
