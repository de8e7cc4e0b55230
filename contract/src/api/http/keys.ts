import { z } from "zod";
import { limits } from "../job.ts";
import { ApiKey, IssuedApiKey, KeyId, KeyRotation, NewApiKey } from "../api-key.ts";
import { defineRoute, IdempotencyKey, idParameter, locationBelow, onceProblems } from "./route.ts";

const tags: [string] = ["Keys"];
const scope = "keys:admin";
const params = idParameter("key", KeyId);
const headers = z.object({ "idempotency-key": IdempotencyKey });
const unrepeated = [...onceProblems, "response-not-replayable"] as const;
const again =
  " With an Idempotency-Key it is done once; a secret is kept nowhere, so that a repeated request is told which key it " +
  "was about (response-not-replayable).";
const unread = [
  "incomplete-body",
  "body-too-large",
  "unsupported-media-type",
  "invalid-json",
  "unstorable-json",
] as const;

export const createKey = defineRoute({
  operationId: "createKey",
  summary: "Make a key",
  description:
    "It belongs to the tenant of who makes it. The answer is the only place where the key itself is ever seen." +
    again,
  tags,
  scope,
  method: "post",
  path: "/v1/keys",
  request: {
    headers,
    body: { required: true, content: { "application/json": { schema: NewApiKey } } },
  },
  responses: {
    201: {
      description: "The key, shown this once",
      content: { "application/json": { schema: IssuedApiKey } },
      headers: locationBelow("/v1/keys"),
    },
  },
  problems: ["empty-body", "invalid-parameter", ...unread, "invalid-key", ...unrepeated],
});

export const KeyPage = z
  .strictObject({
    items: z.array(ApiKey),
    next: z.string().nullable().meta({ description: "The cursor of the next page" }),
  })
  .meta({ id: "KeyPage" });

export const listKeys = defineRoute({
  operationId: "listKeys",
  summary: "List keys, newest first",
  tags,
  scope,
  method: "get",
  path: "/v1/keys",
  request: {
    query: z.strictObject({
      cursor: z.string().optional().meta({ description: "`next` of the page before" }),
      limit: z.coerce.number().int().min(1).max(limits.pageSize).default(50),
    }),
  },
  responses: {
    200: { description: "A page", content: { "application/json": { schema: KeyPage } } },
  },
  problems: ["invalid-parameter"],
});

export const getKey = defineRoute({
  operationId: "getKey",
  summary: "Look at a key",
  tags,
  scope,
  method: "get",
  path: "/v1/keys/{id}",
  request: { params },
  responses: {
    200: { description: "All but itself", content: { "application/json": { schema: ApiKey } } },
  },
  problems: ["invalid-parameter", "key-not-found"],
});

export const rotateKey = defineRoute({
  operationId: "rotateKey",
  summary: "Give a key another secret",
  description:
    "The secret before is good for another `graceMs`. Without a body: it ends at once." + again,
  tags,
  scope,
  method: "post",
  path: "/v1/keys/{id}/rotate",
  request: {
    params,
    headers,
    body: { required: false, content: { "application/json": { schema: KeyRotation } } },
  },
  responses: {
    200: {
      description: "The key with its new secret, shown this once",
      content: { "application/json": { schema: IssuedApiKey } },
    },
  },
  problems: [
    "invalid-parameter",
    ...unread,
    "key-not-found",
    "key-ended",
    "invalid-key",
    ...unrepeated,
  ],
});

export const revokeKey = defineRoute({
  operationId: "revokeKey",
  summary: "Revoke a key",
  description: "Every producer refuses it within 2 s. It stays in the list.",
  tags,
  scope,
  method: "delete",
  path: "/v1/keys/{id}",
  request: { params },
  responses: {
    200: {
      description: "It is revoked, or was",
      content: { "application/json": { schema: ApiKey } },
    },
  },
  problems: ["invalid-parameter", "key-not-found"],
});
