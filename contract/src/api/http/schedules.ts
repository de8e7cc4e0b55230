import { z } from "zod";
import { AcceptedJob, limits } from "../job.ts";
import {
  PreviewedDefinition,
  Schedule,
  ScheduleDefinition,
  ScheduleName,
  SchedulePreview,
} from "../schedule.ts";
import { defineRoute, header, locationBelow, notModified } from "./route.ts";

const tags: [string] = ["Schedules"];
const params = z.object({
  name: ScheduleName.meta({
    ...ScheduleName.meta(),
    param: { name: "name", in: "path" },
    description: "The name of the schedule",
  }),
});
const etag = {
  ETag: header("Its version and, behind a dot, a hash of this answer", '"3.1f0c9a3b5d7e2468"'),
};
const shown = { content: { "application/json": { schema: Schedule } }, headers: etag };
const unread = [
  "empty-body",
  "incomplete-body",
  "body-too-large",
  "unsupported-media-type",
  "invalid-json",
  "unstorable-json",
  "invalid-schedule",
] as const;
const missing = ["invalid-parameter", "forbidden-resource", "schedule-not-found"] as const;

export const putSchedule = defineRoute({
  operationId: "putSchedule",
  summary: "Make a schedule, or replace its definition",
  description:
    "Its job is checked like one that is handed over now. What is paused stays paused. With `If-None-Match: *`: only if there is none yet.",
  tags,
  scope: "jobs:write",
  method: "put",
  path: "/v1/schedules/{name}",
  conditional: true,
  request: {
    params,
    body: { required: true, content: { "application/json": { schema: ScheduleDefinition } } },
  },
  responses: {
    200: { description: "Replaced", ...shown },
    201: {
      description: "Made",
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

export const SchedulePage = z
  .strictObject({
    items: z.array(Schedule),
    next: z.string().nullable().meta({ description: "The cursor of the next page" }),
  })
  .meta({ id: "SchedulePage" });

export const listSchedules = defineRoute({
  operationId: "listSchedules",
  summary: "List schedules by name",
  description:
    "A page holds at most 4 MB: it may be short although more results exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/schedules",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
    }),
  },
  responses: {
    200: { description: "A page", content: { "application/json": { schema: SchedulePage } } },
  },
  problems: ["invalid-parameter"],
});

export const getSchedule = defineRoute({
  operationId: "getSchedule",
  summary: "Look at a schedule",
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
  description: "Jobs that it made stay.",
  tags,
  scope: "jobs:write",
  method: "delete",
  path: "/v1/schedules/{name}",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "The schedule as it was",
      content: { "application/json": { schema: Schedule } },
    },
  },
  problems: missing,
});

export const pauseSchedule = defineRoute({
  operationId: "pauseSchedule",
  summary: "Pause a schedule",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/schedules/{name}/pause",
  conditional: true,
  request: { params },
  responses: { 200: { description: "It is paused, or was", ...shown } },
  problems: missing,
});

export const resumeSchedule = defineRoute({
  operationId: "resumeSchedule",
  summary: "Resume a schedule",
  description: "From its next time on; what it missed meanwhile is not made up for.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/schedules/{name}/resume",
  conditional: true,
  request: { params },
  responses: { 200: { description: "It goes on, or did", ...shown } },
  problems: missing,
});

const acceptedJob = {
  content: { "application/json": { schema: AcceptedJob } },
  headers: locationBelow("/v1/jobs"),
};

export const runSchedule = defineRoute({
  operationId: "runSchedule",
  summary: "Run a schedule now",
  description:
    "Beside its times, paused or not, and whatever its `overlap`. For that of its next time the job is the one before.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/schedules/{name}/run",
  conditional: true,
  request: { params },
  responses: {
    200: { description: "A job with its key stands already; this is it", ...acceptedJob },
    201: { description: "Recorded, and waiting in Redis", ...acceptedJob },
    202: {
      description: "Recorded; Redis is away, and the job will be placed when it is back",
      ...acceptedJob,
    },
  },
  problems: [...missing, "invalid-schedule", "unstorable-secret", "quota-exceeded"],
});

const previewQuery = z.strictObject({
  count: z.coerce.number().int().min(1).max(limits.previewedTimes).default(10),
  after: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: "Only times after this one; by default now" }),
});
const preview = {
  200: {
    description: "Fewer than asked for when it is over before",
    content: { "application/json": { schema: SchedulePreview } },
  },
};

export const previewSchedule = defineRoute({
  operationId: "previewSchedule",
  summary: "When will a schedule be due?",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/schedules/{name}/preview",
  request: { params, query: previewQuery },
  responses: preview,
  problems: missing,
});

export const previewDefinition = defineRoute({
  operationId: "previewDefinition",
  summary: "When would a definition be due?",
  description: "Nothing is stored. A definition without its job will do.",
  tags,
  scope: "jobs:read",
  method: "post",
  path: "/v1/schedules/preview",
  request: {
    query: previewQuery,
    body: { required: true, content: { "application/json": { schema: PreviewedDefinition } } },
  },
  responses: preview,
  problems: ["invalid-parameter", ...unread],
});
