import { z } from "zod";
import { createPage, pageQuery } from "../page.ts";
import { ApiKey, IssuedApiKey, KeyId, KeyRotation } from "../access/api-key.ts";
import { QuotaUse } from "../access/quota.ts";
import type { JobTypeRegistry } from "../registry.ts";
import { header, json, locationBelow, notModified } from "./define/headers.ts";
import { IdempotencyKey, idParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute, onceProblems } from "./define/route.ts";

const tags: [string] = ["Keys"];
const scope = "keys:admin";
const params = idParameter("key", KeyId);
const headers = z.object({ "idempotency-key": IdempotencyKey });
const unrepeated = [...onceProblems, "response-not-replayable"] as const;
const again =
  " With an Idempotency-Key the operation is executed once. Secrets are not stored, so a repeated request gets the error " +
  "`response-not-replayable`, which identifies the key.";

const keyEtag = { ETag: header("Version of the key, for `If-Match`", '"42.0123456789abcdef"') };

/** Creates the operations whose schemas depend on the job types. */
export function createKeyRoutes({ schemas }: JobTypeRegistry) {
  const createKey = defineRoute({
    operationId: "createKey",
    summary: "Create an API key",
    description:
      "Creates a key for the tenant of the caller. The key itself is only returned in this response." +
      again,
    tags,
    scope,
    method: "post",
    path: "/v1/keys",
    request: {
      headers,
      body: { required: true, content: json(schemas.NewApiKey) },
    },
    responses: {
      201: {
        description: "The key, including its secret, which is returned only once",
        content: json(IssuedApiKey),
        headers: locationBelow("/v1/keys"),
      },
    },
    problems: ["empty-body", "invalid-parameter", ...bodyProblems, "invalid-key", ...unrepeated],
  });
  const changeKey = defineRoute({
    operationId: "changeKey",
    summary: "Change an API key",
    description:
      "Applies a JSON merge patch (RFC 7396). Every producer applies the change within half a second; open event streams of the key end " +
      "within 15 s if its restrictions change. The tenant's last valid key with `keys:admin` keeps that scope; to give it up, revoke the key.",
    tags,
    scope,
    method: "patch",
    path: "/v1/keys/{id}",
    conditional: true,
    request: { params, body: { required: true, content: json(schemas.ApiKeyChange) } },
    responses: {
      200: {
        description: "The changed key without its secret",
        content: json(ApiKey),
        headers: keyEtag,
      },
    },
    problems: [
      "empty-body",
      "invalid-parameter",
      ...bodyProblems,
      "key-not-found",
      "key-ended",
      "last-admin-key",
      "invalid-key",
    ],
  });
  return { createKey, changeKey };
}

const KeyPage = createPage("KeyPage", ApiKey);

export const listKeys = defineRoute({
  operationId: "listKeys",
  summary: "List API keys",
  description: "Returns API keys without their secrets, newest first.",
  tags,
  scope: "keys:read",
  method: "get",
  path: "/v1/keys",
  request: {
    query: z.strictObject(pageQuery),
  },
  responses: {
    200: {
      description: "One page of API keys",
      content: json(KeyPage),
    },
  },
  problems: ["invalid-parameter", "forbidden-resource"],
});

export const getKey = defineRoute({
  operationId: "getKey",
  summary: "Get an API key",
  conditional: true,
  tags,
  scope: "keys:read",
  method: "get",
  path: "/v1/keys/{id}",
  request: { params },
  responses: {
    200: {
      description: "The key without its secret",
      content: json(ApiKey),
      headers: keyEtag,
    },
    304: notModified,
  },
  problems: ["invalid-parameter", "forbidden-resource", "key-not-found"],
});

export const getKeyUse = defineRoute({
  operationId: "getKeyUse",
  summary: "Get the quota use of an API key",
  description:
    "Returns the quota use of a key, across all producers and consumers. Each process takes up to 100 ms of a rate in advance.",
  tags,
  scope: "keys:read",
  method: "get",
  path: "/v1/keys/{id}/use",
  request: { params },
  responses: {
    200: { description: "The use of each quota", content: json(QuotaUse) },
  },
  problems: ["invalid-parameter", "key-not-found"],
});

export const rotateKey = defineRoute({
  operationId: "rotateKey",
  summary: "Rotate an API key",
  description:
    "Issues a new secret. The previous secret stays valid for `graceMs`; without a body it is invalidated immediately." +
    again,
  tags,
  scope,
  method: "post",
  path: "/v1/keys/{id}/rotate",
  conditional: true,
  request: {
    params,
    headers,
    body: { required: false, content: json(KeyRotation) },
  },
  responses: {
    200: {
      description: "The key, including its new secret, which is returned only once",
      content: json(IssuedApiKey),
    },
  },
  problems: [
    "invalid-parameter",
    ...bodyProblems,
    "key-not-found",
    "key-ended",
    "invalid-key",
    ...unrepeated,
  ],
});

export const revokeKey = defineRoute({
  operationId: "revokeKey",
  summary: "Revoke an API key",
  description: "All producers reject the key within 2 s. The revoked key stays in the list.",
  tags,
  scope,
  method: "delete",
  path: "/v1/keys/{id}",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "The key is revoked; also returned if it was revoked before",
      content: json(ApiKey),
    },
  },
  problems: ["invalid-parameter", "key-not-found"],
});
