import { z } from "zod";
import { IssuedPushEndpoint, PushEndpoint } from "../push-endpoint.ts";
import { SecretRotation } from "../webhooks/webhook.ts";
import { json } from "./define/headers.ts";
import { IdempotencyKey, typeParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute, onceProblems } from "./define/route.ts";

const tags: [string] = ["Job types"];
const scope = "types:admin";
const params = typeParameter;
const missing = ["invalid-parameter", "forbidden-resource", "push-endpoint-not-found"] as const;

export const getPushEndpoint = defineRoute({
  operationId: "getPushEndpoint",
  summary: "Get the push endpoint of a job type",
  description: "Returns whether jobs are sent to the endpoint: its circuit breaker and pauses.",
  tags,
  scope: "types:read",
  method: "get",
  path: "/v1/job-types/{type}/endpoint",
  request: { params },
  responses: { 200: { description: "The endpoint", content: json(PushEndpoint) } },
  problems: missing,
});

export const rotatePushEndpoint = defineRoute({
  operationId: "rotatePushEndpoint",
  summary: "Rotate the secret of a push endpoint",
  description:
    "Issues a new secret. For `graceMs` requests are signed with both secrets. With an Idempotency-Key the operation is executed once. " +
    "Secrets are not replayed: a repeated request gets the error `response-not-replayable`.",
  tags,
  scope,
  method: "post",
  path: "/v1/job-types/{type}/endpoint/rotate",
  request: {
    params,
    headers: z.object({ "idempotency-key": IdempotencyKey }),
    body: { required: false, content: json(SecretRotation) },
  },
  responses: {
    200: {
      description: "The endpoint, including its new secret, which is returned only once",
      content: json(IssuedPushEndpoint),
    },
  },
  problems: [
    ...missing,
    ...bodyProblems,
    "invalid-request",
    ...onceProblems,
    "response-not-replayable",
  ],
});

export const resetPushEndpoint = defineRoute({
  operationId: "resetPushEndpoint",
  summary: "Reset a push endpoint",
  description: "Closes its circuit, ends a pause and enables an endpoint that answered 410.",
  tags,
  scope,
  method: "post",
  path: "/v1/job-types/{type}/endpoint/reset",
  request: { params },
  responses: { 200: { description: "The endpoint", content: json(PushEndpoint) } },
  problems: missing,
});
