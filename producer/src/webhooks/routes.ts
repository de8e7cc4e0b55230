import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { DeliveryReplay } from "@toril/contract/api/webhooks/delivery";
import {
  SecretRotation,
  WebhookDefinition,
  WebhookName,
} from "@toril/contract/api/webhooks/webhook";
import type { DeliveryPosition } from "@toril/contract/engine/webhooks/delivery-ledger";
import type { CheckWebhook } from "@toril/contract/engine/webhooks/webhook-ledger";
import { z } from "zod";
import { hasBody, readJson } from "../http/body.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { isNotModified, requirePreconditions, toEtag } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import {
  findUnknown,
  isVisible,
  requireVisible,
  requireVisibleWebhook,
  toWebhookResponse,
} from "./visible-webhook.ts";
import { createWebhookStore, type WebhookStoreDeps } from "./webhook-store.ts";

export function webhookRoutes(api: Api, deps: WebhookStoreDeps): HandledRoute[] {
  const store = createWebhookStore(deps);

  const find = async (context: RequestContext, name: string) =>
    requireVisibleWebhook(context, await store.find(context.principal.tenant, name));
  const setEnabled = async (context: RequestContext, name: string, isEnabled: boolean) => {
    const row = await store.setEnabled(context, name, isEnabled, checkVersion(context));
    return toWebhookResponse(requireVisibleWebhook(context, row));
  };

  return [
    handle(api.putWebhook, async (c) => {
      const { name } = c.req.valid("param");
      const definition = parse(WebhookDefinition, await readJson(c.env, limits.bodyBytes));
      const unknown = findUnknown(c.env, definition);
      if (unknown.length > 0) throw new ProblemError("invalid-webhook", undefined, unknown);
      requireVisible(c.env, definition);
      const { row, issued } = await store.put(c.env, name, definition, (existing) => {
        if (existing !== undefined) requireVisible(c.env, existing);
        requirePreconditions(c.env.request, existing?.version);
      });
      const { webhook, headers } = toWebhookResponse(row);
      if (issued === undefined) return c.json(webhook, 200, headers);
      return c.json(issued, 201, {
        ETag: toEtag(row.version, webhook),
        Location: `/v1/webhooks/${name}`,
        "Cache-Control": "no-store",
      });
    }),

    handle(api.listWebhooks, async (c) => {
      const { cursor, limit } = c.req.valid("query");
      const after = cursor === undefined ? undefined : decodeCursor(cursor, WebhookName);
      const rows = await store.list(c.env.principal.tenant, { after, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      const items = page
        .filter((row) => isVisible(c.env, row))
        .map((row) => toWebhookResponse(row).webhook);
      return c.json({ items, next: last ? encodeCursor(last.name) : null }, 200);
    }),

    handle(api.getWebhook, async (c) => {
      const row = await find(c.env, c.req.valid("param").name);
      const { webhook, headers } = toWebhookResponse(row);
      if (isNotModified(c.env.request, headers.ETag)) return c.body(null, 304, headers);
      return c.json(webhook, 200, headers);
    }),

    handle(api.deleteWebhook, async (c) => {
      const { name } = c.req.valid("param");
      const row = await store.delete(c.env, name, checkVersion(c.env));
      return c.json(toWebhookResponse(requireVisibleWebhook(c.env, row)).webhook, 200);
    }),

    handle(api.rotateWebhook, async (c) => {
      const { name } = c.req.valid("param");
      // The body is optional.
      const body = hasBody(c.req.raw) ? await readJson(c.env, limits.bodyBytes) : {};
      const { graceMs } = parse(SecretRotation, body);
      const issued = await store.rotate(c.env, name, graceMs, checkVersion(c.env));
      return c.json(issued, 200, { "Cache-Control": "no-store" });
    }),

    handle(api.enableWebhook, async (c) => {
      const { webhook, headers } = await setEnabled(c.env, c.req.valid("param").name, true);
      return c.json(webhook, 200, headers);
    }),

    handle(api.disableWebhook, async (c) => {
      const { webhook, headers } = await setEnabled(c.env, c.req.valid("param").name, false);
      return c.json(webhook, 200, headers);
    }),

    handle(api.testWebhook, async (c) => {
      const row = await find(c.env, c.req.valid("param").name);
      if (!row.isEnabled) throw new ProblemError("webhook-disabled", "Enable the webhook first.");
      return c.json(await store.test(c.env, row), 202);
    }),

    handle(api.listWebhookDeliveries, async (c) => {
      const { cursor, limit, status } = c.req.valid("query");
      const row = await find(c.env, c.req.valid("param").name);
      const before = cursor === undefined ? undefined : decodePosition(cursor);
      const filter = { webhookId: row.id, status, before, limit };
      const { items, next } = await store.listDeliveries(c.env.principal.tenant, filter);
      return c.json({ items, next: next === undefined ? null : encodePosition(next) }, 200);
    }),

    handle(api.replayWebhookDelivery, async (c) => {
      const { name, id } = c.req.valid("param");
      const delivery = await store.replay(c.env, await find(c.env, name), id);
      if (delivery === undefined) throw new ProblemError("webhook-delivery-not-found");
      return c.json(delivery, 202);
    }),

    handle(api.replayWebhookDeliveries, async (c) => {
      const row = await find(c.env, c.req.valid("param").name);
      const range = parse(DeliveryReplay, await readJson(c.env, limits.bodyBytes));
      return c.json(await store.replayRange(c.env, row, range), 202);
    }),
  ];
}

/** Requires that the caller sees the webhook, and evaluates the preconditions of the request. */
function checkVersion(context: RequestContext): CheckWebhook {
  return (existing) =>
    requirePreconditions(context.request, requireVisibleWebhook(context, existing).version);
}

function parse<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ProblemError("invalid-webhook", undefined, fieldErrors(parsed.error.issues));
}

const Position = z.string().regex(/^\d{1,18}_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** Encodes a position in the list of deliveries as an opaque cursor. */
function encodePosition({ createdMicros, id }: DeliveryPosition): string {
  return encodeCursor(`${createdMicros}_${id}`);
}

function decodePosition(cursor: string): DeliveryPosition {
  const [createdMicros = "", id = ""] = decodeCursor(cursor, Position).split("_");
  return { createdMicros, id };
}
