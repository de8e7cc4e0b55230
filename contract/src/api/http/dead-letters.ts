import { z } from "zod";
import {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  InspectedDeadLetter,
  Redriven,
} from "../dead-letter.ts";
import { Job, limits } from "../job.ts";
import { jobTypeNames } from "../job-types/index.ts";
import { Operation, OperationPreview, RedriveRequest } from "../operation.ts";
import { defineRoute, idParameter, locationBelow, optional } from "./route.ts";

const tags: [string] = ["Dead letters"];
const params = idParameter("dead letter");

export const listDeadLetters = defineRoute({
  operationId: "listDeadLetters",
  summary: "List dead letters, newest first",
  description:
    "Jobs whose attempts are used up, or that were given up. A page examines at most 10,000 dead letters and holds at most 4 MB: " +
    "it may be short or empty although more results exist; continue until `next` is null.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/dead-letters",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
      type: z.enum(jobTypeNames).optional(),
      queue: z.string().max(100).optional(),
      reason: z.string().max(200).optional(),
      label: z.string().max(limits.labelLength).optional(),
    }),
  },
  responses: {
    200: { description: "A page", content: { "application/json": { schema: DeadLetterPage } } },
  },
  problems: ["invalid-parameter", "at-capacity"],
});

export const summarizeDeadLetters = defineRoute({
  operationId: "summarizeDeadLetters",
  summary: "How many dead letters there are, by type and reason",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/dead-letters/summary",
  responses: {
    200: {
      description: "The largest groups first",
      content: { "application/json": { schema: DeadLetterSummary } },
    },
  },
  problems: ["at-capacity"],
});

export const getDeadLetter = defineRoute({
  operationId: "getDeadLetter",
  summary: "Inspect a dead letter",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/dead-letters/{id}",
  request: { params },
  responses: {
    200: {
      description: "The dead letter",
      content: { "application/json": { schema: InspectedDeadLetter } },
    },
  },
  problems: ["invalid-parameter", "forbidden-resource", "dead-letter-not-found", "at-capacity"],
});

export const redriveDeadLetter = defineRoute({
  operationId: "redriveDeadLetter",
  summary: "Do a dead job again",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/dead-letters/{id}/redrive",
  request: { params },
  responses: {
    202: {
      description: "It is pending; while Redis is away, it will be placed later",
      content: { "application/json": { schema: Job } },
      headers: locationBelow("/v1/jobs"),
    },
  },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "dead-letter-not-found",
    "key-taken",
    "quota-exceeded",
    "at-capacity",
  ],
});

export const redriveDeadLetters = defineRoute({
  operationId: "redriveDeadLetters",
  summary: "Do many dead jobs again",
  description:
    "Up to 1,000 by their ids, or all that a filter selects, as an operation. An empty filter needs `all: true`.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/dead-letters/redrive",
  request: {
    body: { required: true, content: { "application/json": { schema: RedriveRequest } } },
  },
  responses: {
    200: {
      description: "By ids: what became of each. With `dryRun`: how many the filter selects",
      content: { "application/json": { schema: z.union([Redriven, OperationPreview]) } },
    },
    202: {
      description: "By a filter: the operation that does it",
      content: { "application/json": { schema: Operation } },
      headers: optional(locationBelow("/v1/operations")),
    },
  },
  problems: [
    "empty-body",
    "invalid-json",
    "body-too-large",
    "unsupported-media-type",
    "too-many-operations",
    "invalid-operation",
    "unstorable-json",
    "quota-exceeded",
    "at-capacity",
  ],
});

export const deleteDeadLetter = defineRoute({
  operationId: "deleteDeadLetter",
  summary: "Forget a dead letter",
  description: "Many of them: `POST /v1/operations` with the action `delete`.",
  tags,
  scope: "jobs:write",
  method: "delete",
  path: "/v1/dead-letters/{id}",
  request: { params },
  responses: {
    200: {
      description: "It is gone; this is what it was",
      content: { "application/json": { schema: DeadLetter } },
    },
  },
  problems: ["invalid-parameter", "forbidden-resource", "dead-letter-not-found", "at-capacity"],
});
