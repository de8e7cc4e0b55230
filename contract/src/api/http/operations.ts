import { z } from "zod";
import { pageQuery } from "../page.ts";
import { Operation, OperationPage, OperationPreview } from "../operation.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { json, locationBelow } from "./define/headers.ts";
import { idParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute } from "./define/route.ts";

const tags: [string] = ["Operations"];
const params = idParameter("operation");
const one = { content: json(Operation) };

/** Creates the operations whose schemas depend on the job types. */
export function createOperationRoutes({ schemas }: JobTypeRegistry) {
  const createOperation = defineRoute({
    operationId: "createOperation",
    summary: "Cancel, retry, promote or delete many jobs",
    description:
      "Runs in the background, in batches, on the jobs that exist now. The restrictions of the API key (queues and types) " +
      "also apply to the operation. An empty filter requires `all: true`. The action `delete` applies to dead letters only.",
    tags,
    scope: "operations:write",
    method: "post",
    path: "/v1/operations",
    request: {
      body: {
        required: true,
        content: json(schemas.OperationRequest),
      },
    },
    responses: {
      200: {
        description: "With `dryRun`: the number of matching jobs, counted up to a limit",
        content: json(OperationPreview),
      },
      202: {
        description: "The operation is recorded and will run",
        ...one,
        headers: locationBelow("/v1/operations"),
      },
    },
    problems: [
      "empty-body",
      ...bodyProblems,
      "too-many-operations",
      "invalid-operation",
      "at-capacity",
    ],
  });
  return { createOperation };
}

export const listOperations = defineRoute({
  operationId: "listOperations",
  summary: "List operations",
  description:
    "Returns operations, newest first; only operations on jobs that the API key may access.",
  tags,
  scope: "jobs:read",
  method: "get",
  path: "/v1/operations",
  request: {
    query: z.strictObject(pageQuery),
  },
  responses: {
    200: {
      description: "One page of operations",
      content: json(OperationPage),
    },
  },
  problems: ["invalid-parameter", "at-capacity"],
});

export const getOperation = defineRoute({
  operationId: "getOperation",
  summary: "Get an operation",
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
  description: "Stops the operation after its current batch. Changes made so far are not reverted.",
  tags,
  scope: "operations:write",
  method: "post",
  path: "/v1/operations/{id}/stop",
  request: { params },
  responses: { 202: { description: "The operation is stopping or stopped", ...one } },
  problems: [
    "invalid-parameter",
    "forbidden-resource",
    "operation-not-found",
    "operation-ended",
    "at-capacity",
  ],
});
