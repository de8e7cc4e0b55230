import type { FieldError } from "@toril/contract/api/json/json";
import type { WebhookDefinition } from "@toril/contract/api/webhooks/webhook";
import { toWebhook, type WebhookRow } from "@toril/contract/engine/webhooks/webhook-ledger";
import { toEtag } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";

type Filter = Pick<WebhookDefinition, "types" | "queues">;

/** Whether the caller's key permits all events of a webhook: a restricted key needs a filter within its restrictions. */
export function isVisible({ principal }: RequestContext, { types, queues }: Filter): boolean {
  const isWithin = (permitted: ReadonlySet<string> | null, filter: readonly string[] | null) =>
    permitted === null || (filter?.every((item) => permitted.has(item)) ?? false);
  return isWithin(principal.types, types) && isWithin(principal.queues, queues);
}

/** Throws a problem if the caller's key does not permit all events of the webhook. */
export function requireVisible(context: RequestContext, filter: Filter): void {
  if (isVisible(context, filter)) return;
  throw new ProblemError(
    "forbidden-resource",
    "The key is restricted: `types` and `queues` of the webhook must be within its restrictions.",
  );
}

/** Throws a problem if the webhook does not exist, or the caller's key does not permit its events. */
export function requireVisibleWebhook(
  context: RequestContext,
  row: WebhookRow | undefined,
): WebhookRow {
  if (row === undefined) throw new ProblemError("webhook-not-found");
  requireVisible(context, row);
  return row;
}

/** Returns an error for each type or queue of a filter that the service does not know. */
export function findUnknown({ jobTypes }: RequestContext, { types, queues }: Filter): FieldError[] {
  const toErrors = (
    field: string,
    items: readonly string[] | null,
    isKnown: (item: string) => boolean,
    detail: string,
  ) =>
    (items ?? []).flatMap((item, index) =>
      isKnown(item) ? [] : [{ pointer: `/${field}/${index}`, detail }],
    );
  return [
    ...toErrors("types", types, (type) => jobTypes.find(type) !== undefined, "Unknown job type."),
    ...toErrors("queues", queues, (queue) => jobTypes.queues.includes(queue), "Unknown queue."),
  ];
}

export function toWebhookResponse(row: WebhookRow) {
  const webhook = toWebhook(row);
  return { webhook, headers: { ETag: toEtag(row.version, webhook) } };
}
