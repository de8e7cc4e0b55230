import { z } from "zod";
import { limits } from "../job.ts";
import { Operation, OperationPage, OperationPreview, OperationRequest } from "../operation.ts";
import { defineRoute, idParameter, locationBelow } from "./route.ts";

const tags: [string] = ["Operations"];
const params = idParameter("operation");
const one = { content: { "application/json": { schema: Operation } } };

export const createOperation = defineRoute({
  operationId: "createOperation",
  summary: "Cancel, retry, promote or delete many jobs",
  description:
    "Done in the background, bit by bit, to the jobs that there are now. A key that is limited to queues or types " +
    "limits what it makes. An empty filter needs `all: true`. Deleting is for dead letters.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/operations",
  request: {
    body: { required: true, content: { "application/json": { schema: OperationRequest } } },
  },
  responses: {
    200: {
      description: "With `dryRun`: how many jobs it would be done to, as far as they were counted",
      content: { "application/json": { schema: OperationPreview } },
    },
    202: {
      description: "It will be done",
      ...one,
      headers: locationBelow("/v1/operations"),
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
    "at-capacity",
  ],
});

export const listOperations = defineRoute({
  operationId: "listOperations",
  summary: "List operations, newest first",
  description: "Only those whose jobs the key may all see.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/operations",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
    }),
  },
  responses: {
    200: { description: "A page", content: { "application/json": { schema: OperationPage } } },
  },
  problems: ["invalid-parameter", "at-capacity"],
});

export const getOperation = defineRoute({
  operationId: "getOperation",
  summary: "Follow an operation",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/operations/{id}",
  request: { params },
  responses: { 200: { description: "The operation", ...one } },
  problems: ["invalid-parameter", "forbidden-resource", "operation-not-found", "at-capacity"],
});

export const stopOperation = defineRoute({
  operationId: "stopOperation",
  summary: "Stop an operation",
  description: "What it has changed stays so. It ends within moments.",
  tags,
  scope: "jobs:write",
  method: "post",
  path: "/v1/operations/{id}/stop",
  request: { params },
  responses: { 202: { description: "It stops, or has stopped", ...one } },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "operation-not-found",
    "operation-ended",
    "at-capacity",
  ],
});
