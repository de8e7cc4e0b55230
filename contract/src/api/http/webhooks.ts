import { z } from "zod";
import { createPage, pageQuery } from "../page.ts";
import {
  DeliveryReplay,
  DeliveryStatus,
  ReplayedDeliveries,
  WebhookDelivery,
} from "../webhooks/delivery.ts";
import {
  IssuedWebhook,
  SecretRotation,
  Webhook,
  WebhookDefinition,
  WebhookName,
} from "../webhooks/webhook.ts";
import { json, locationBelow, notModified, versionTag } from "./define/headers.ts";
import { IdempotencyKey, pathParameter } from "./define/parameters.ts";
import { bodyProblems, defineRoute, onceProblems } from "./define/route.ts";

const tags: [string] = ["Webhooks"];
const scope = "webhooks:admin";
const params = pathParameter("name", WebhookName, "Name of the webhook");
const etag = versionTag("webhook");
const shown = { content: json(Webhook), headers: etag };
const unread = [...bodyProblems, "invalid-webhook"] as const;
const missing = ["invalid-parameter", "forbidden-resource", "webhook-not-found"] as const;

export const putWebhook = defineRoute({
  operationId: "putWebhook",
  summary: "Create or replace a webhook",
  description:
    "The service sends an HTTP POST for each event, signed according to Standard Webhooks. A new webhook receives the events of jobs that end at least 2 s " +
    "after its creation. Only the request that creates the webhook returns the secret; a replaced webhook keeps its secret " +
    "and stays enabled or disabled. With a key that is restricted to job types or queues, the webhook must name some of them.",
  tags,
  scope,
  method: "put",
  path: "/v1/webhooks/{name}",
  conditional: true,
  request: { params, body: { required: true, content: json(WebhookDefinition) } },
  responses: {
    200: { description: "The replaced webhook", ...shown },
    201: {
      description: "The created webhook, including its secret, which is returned only once",
      content: json(IssuedWebhook),
      headers: { ...etag, ...locationBelow("/v1/webhooks") },
    },
  },
  problems: [
    "empty-body",
    "invalid-parameter",
    "forbidden-resource",
    ...unread,
    "too-many-webhooks",
  ],
});

const WebhookPage = createPage("WebhookPage", Webhook);

export const listWebhooks = defineRoute({
  operationId: "listWebhooks",
  summary: "List webhooks",
  description:
    "Returns webhooks, ordered by name. For a restricted key a page may be short although more results exist; continue until `next` is null.",
  tags,
  scope: "webhooks:read",
  method: "get",
  path: "/v1/webhooks",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: { description: "One page of webhooks", content: json(WebhookPage) } },
  problems: ["invalid-parameter"],
});

export const getWebhook = defineRoute({
  operationId: "getWebhook",
  summary: "Get a webhook",
  tags,
  scope: "webhooks:read",
  method: "get",
  path: "/v1/webhooks/{name}",
  conditional: true,
  request: { params },
  responses: { 200: { description: "The webhook", ...shown }, 304: notModified },
  problems: missing,
});

export const deleteWebhook = defineRoute({
  operationId: "deleteWebhook",
  summary: "Delete a webhook",
  description: "Deletes the webhook. Events that are not delivered yet are no longer sent.",
  tags,
  scope,
  method: "delete",
  path: "/v1/webhooks/{name}",
  conditional: true,
  request: { params },
  responses: { 200: { description: "The deleted webhook", content: json(Webhook) } },
  problems: missing,
});

export const rotateWebhook = defineRoute({
  operationId: "rotateWebhook",
  summary: "Rotate the secret of a webhook",
  description:
    "Issues a new secret. For `graceMs` requests are signed with both secrets, so that a receiver may change the secret at any time. " +
    "With an Idempotency-Key the operation is executed once. Secrets are not replayed: a repeated request gets the error `response-not-replayable`.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/rotate",
  conditional: true,
  request: {
    params,
    headers: z.object({ "idempotency-key": IdempotencyKey }),
    body: { required: false, content: json(SecretRotation) },
  },
  responses: {
    200: {
      description: "The webhook, including its new secret, which is returned only once",
      content: json(IssuedWebhook),
    },
  },
  problems: [...missing, ...unread, ...onceProblems, "response-not-replayable"],
});

export const enableWebhook = defineRoute({
  operationId: "enableWebhook",
  summary: "Enable a webhook",
  description:
    "Events that were pending when the webhook was disabled are sent. Events in between were not recorded.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/enable",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "The webhook is enabled; also returned if it was enabled before",
      ...shown,
    },
  },
  problems: missing,
});

export const disableWebhook = defineRoute({
  operationId: "disableWebhook",
  summary: "Disable a webhook",
  description: "Events are neither recorded nor sent while the webhook is disabled.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/disable",
  conditional: true,
  request: { params },
  responses: {
    200: {
      description: "The webhook is disabled; also returned if it was disabled before",
      ...shown,
    },
  },
  problems: missing,
});

const delivery = { content: json(WebhookDelivery) };

export const testWebhook = defineRoute({
  operationId: "testWebhook",
  summary: "Send a test event",
  description:
    "Records an event of type `webhook.test`, which is sent like any other. The list of deliveries shows the response.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/test",
  request: { params },
  responses: { 202: { description: "The recorded event", ...delivery } },
  problems: [...missing, "webhook-disabled"],
});

const DeliveryPage = createPage("WebhookDeliveryPage", WebhookDelivery);

export const listWebhookDeliveries = defineRoute({
  operationId: "listWebhookDeliveries",
  summary: "List the deliveries of a webhook",
  description:
    "Returns events and the response to their last attempt, newest first. With `status` a page may be short although more results exist; continue " +
    "until `next` is null.",
  tags,
  scope: "webhooks:read",
  method: "get",
  path: "/v1/webhooks/{name}/deliveries",
  request: {
    params,
    query: z.strictObject({ ...pageQuery, status: DeliveryStatus.optional() }),
  },
  responses: { 200: { description: "One page of deliveries", content: json(DeliveryPage) } },
  problems: missing,
});

export const replayWebhookDelivery = defineRoute({
  operationId: "replayWebhookDelivery",
  summary: "Send an event again",
  description:
    "Sends the event again under the same `webhook-id`, whether it was delivered or not. Receivers that ignore known ids ignore the repetition.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/deliveries/{id}/replay",
  request: {
    params: params.extend({
      id: z.uuid().meta({
        param: { name: "id", in: "path" },
        description: "ID of the delivery",
        example: "5f6071a8-9304-4c7d-8a4e-019c2f1e7b1a",
      }),
    }),
  },
  responses: { 202: { description: "The delivery, which is pending", ...delivery } },
  problems: [...missing, "webhook-delivery-not-found"],
});

export const replayWebhookDeliveries = defineRoute({
  operationId: "replayWebhookDeliveries",
  summary: "Send the events of a time range again",
  description:
    "Sends delivered and failed events again, under the same `webhook-id`, oldest first. Continue with `from` set to `next` until `next` is null.",
  tags,
  scope,
  method: "post",
  path: "/v1/webhooks/{name}/replay",
  request: { params, body: { required: true, content: json(DeliveryReplay) } },
  responses: {
    202: { description: "Number of events that are sent again", content: json(ReplayedDeliveries) },
  },
  problems: ["empty-body", ...missing, ...unread],
});
