import { z } from "zod";
import { pageQuery } from "../page.ts";
import {
  DeadLetter,
  DeadLetterPage,
  DeadLetterSummary,
  InspectedDeadLetter,
  Redriven,
} from "../jobs/dead-letter.ts";
import { limits } from "../limits.ts";
import { Operation, OperationPreview } from "../operation.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { json, locationBelow, optional } from "./define/headers.ts";
import { idParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";
import { retriedResponse } from "./jobs/job.ts";

const tags: [string] = ["Dead letters"];
const params = idParameter("dead letter");

/** Creates the operations whose schemas depend on the job types. */
export function createDeadLetterRoutes({ schemas }: JobTypeRegistry) {
  const listDeadLetters = defineRoute({
    operationId: "listDeadLetters",
    summary: "List dead letters",
    description:
      "Returns jobs that used all their attempts or failed with a non-retryable error, newest first. A page examines at most 10,000 dead letters and contains at most 2 MB: " +
      "a page may be short or empty although more results exist; continue until `next` is null.",
    tags,
    scope: "jobs:read",
    method: "get",
    path: "/v1/dead-letters",
    request: {
      query: z.strictObject({
        ...pageQuery,
        type: z.string().optional(),
        queue: z.string().max(100).optional(),
        reason: z.string().max(200).optional(),
        label: z.string().max(limits.labelLength).optional(),
      }),
    },
    responses: {
      200: {
        description: "One page of dead letters",
        content: json(DeadLetterPage),
      },
    },
    problems: ["invalid-parameter", "at-capacity"],
  });

  const redriveDeadLetters = defineRoute({
    operationId: "redriveDeadLetters",
    summary: "Redrive dead letters in bulk",
    description:
      "Redrives up to 1,000 dead letters by ID, or all that match a filter, as an operation in the background. An empty filter requires `all: true`.",
    tags,
    scope: "jobs:change",
    method: "post",
    path: "/v1/dead-letters/redrive",
    request: {
      body: { required: true, content: json(schemas.RedriveRequest) },
    },
    responses: {
      200: {
        description:
          "With `ids`: the outcome for each ID. With `dryRun`: the number of matching dead letters",
        content: json(z.union([Redriven, OperationPreview])),
      },
      202: {
        description: "With `filter`: the operation that redrives the matching dead letters",
        content: json(Operation),
        headers: optional(locationBelow("/v1/operations")),
      },
    },
    problems: [
      "empty-body",
      ...bodyProblems,
      "too-many-operations",
      "invalid-operation",
      "quota-exceeded",
      "at-capacity",
    ],
  });
  return { listDeadLetters, redriveDeadLetters };
}

export const summarizeDeadLetters = defineRoute({
  operationId: "summarizeDeadLetters",
  summary: "Summarize dead letters",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/dead-letters/summary",
  responses: {
    200: {
      description: "Number of dead letters by type and reason, largest groups first",
      content: json(DeadLetterSummary),
    },
  },
  problems: ["at-capacity"],
});

export const getDeadLetter = defineRoute({
  operationId: "getDeadLetter",
  summary: "Get a dead letter",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/dead-letters/{id}",
  request: { params },
  responses: {
    200: {
      description: "The dead letter",
      content: json(InspectedDeadLetter),
    },
  },
  problems: ["invalid-parameter", "forbidden-resource", "dead-letter-not-found", "at-capacity"],
});

export const redriveDeadLetter = defineRoute({
  operationId: "redriveDeadLetter",
  summary: "Redrive a dead letter",
  tags,
  scope: "jobs:change",
  method: "post",
  path: "/v1/dead-letters/{id}/redrive",
  request: { params },
  responses: retriedResponse,
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "dead-letter-not-found",
    "key-taken",
    "quota-exceeded",
    "at-capacity",
  ],
});

export const deleteDeadLetter = defineRoute({
  operationId: "deleteDeadLetter",
  summary: "Delete a dead letter",
  description:
    "Deletes one dead letter. To delete many, use `POST /v1/operations` with the action `delete`.",
  tags,
  scope: "jobs:change",
  method: "delete",
  path: "/v1/dead-letters/{id}",
  request: { params },
  responses: {
    200: {
      description: "The deleted dead letter",
      content: json(DeadLetter),
    },
  },
  problems: ["invalid-parameter", "forbidden-resource", "dead-letter-not-found", "at-capacity"],
});
