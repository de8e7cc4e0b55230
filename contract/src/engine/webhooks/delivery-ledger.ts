import type { ISql } from "postgres";
import { limits } from "../../api/limits.ts";
import type {
  DeliveryReplay,
  ReplayedDeliveries,
  WebhookDelivery,
} from "../../api/webhooks/delivery.ts";
import type { WebhookDeliveryColumns } from "../postgres/tables.ts";
import { toShownUrl } from "./callbacks.ts";

type DeliveryRow = Omit<WebhookDeliveryColumns, "webhookId" | "dueSince"> & {
  /** Microseconds: the cursor of the list. */
  createdMicros: string;
};

export interface DeliveryFilter {
  webhookId: string;
  status?: WebhookDelivery["status"] | undefined;
  /** Only deliveries before this one, in the order of the list. */
  before?: DeliveryPosition | undefined;
  limit: number;
}

/** A position in the list of deliveries, newest first. */
export interface DeliveryPosition {
  createdMicros: string;
  id: string;
}

/** A filter by status looks at no more rows than these for one page. */
const maxExamined = 5000;

/** Lists the deliveries of a webhook, newest first. With a status, a page may be short although more results exist. */
export async function listDeliveries(
  sql: ISql,
  { webhookId, status, before, limit }: DeliveryFilter,
): Promise<{ items: WebhookDelivery[]; next: DeliveryPosition | undefined }> {
  const rows = await sql<DeliveryRow[]>`
    select ${deliveryColumns(sql)} from webhook_deliveries
    where webhook_id = ${webhookId} ${
      before === undefined
        ? sql``
        : sql`and (created_at, id) < ('epoch'::timestamptz + ${before.createdMicros}::bigint * interval '1 microsecond', ${before.id}::uuid)`
    }
    order by created_at desc, id desc limit ${status === undefined ? limit + 1 : maxExamined}`;
  const matching = rows.filter((row) => status === undefined || getStatus(row) === status);
  const shown = matching.slice(0, limit);
  const isFull = matching.length > limit;
  const last = isFull
    ? shown.at(-1)
    : status && rows.length === maxExamined
      ? rows.at(-1)
      : undefined;
  return {
    items: shown.map(toDelivery),
    next: last && { createdMicros: last.createdMicros, id: last.id },
  };
}

/** Records a test event. */
export async function recordTest(
  sql: ISql,
  webhookId: string,
  id: string,
): Promise<WebhookDelivery> {
  const at = new Date().toISOString();
  const payload = JSON.stringify({ type: "webhook.test", timestamp: at, data: { id } });
  const [row] = await sql<DeliveryRow[]>`
    insert into webhook_deliveries (id, webhook_id, event, payload, next_at)
    values (${id}, ${webhookId}, 'webhook.test', ${payload}::text::json, now())
    returning ${deliveryColumns(sql)}`;
  if (row === undefined) throw new Error("the test event was not inserted");
  return toDelivery(row);
}

/** Makes one delivery due again, under the same id; undefined if the webhook has no such delivery. */
export async function replayDelivery(
  sql: ISql,
  webhookId: string,
  id: string,
): Promise<WebhookDelivery | undefined> {
  const [row] = await sql<DeliveryRow[]>`
    update webhook_deliveries set ${dueAgain(sql)} where id = ${id} and webhook_id = ${webhookId}
    returning ${deliveryColumns(sql)}`;
  return row && toDelivery(row);
}

/** Makes the ended deliveries of a time range due again, oldest first. */
export async function replayRange(
  sql: ISql,
  webhookId: string,
  { from, until, status }: DeliveryReplay,
): Promise<ReplayedDeliveries> {
  const limit = limits.replayedDeliveries;
  const [row] = await sql<{ replayed: number; last: Date | null }[]>`
    with ended as (
      select id, created_at from webhook_deliveries
      where webhook_id = ${webhookId} and created_at >= ${new Date(from)} and created_at < ${new Date(until)}
        and next_at is null
        ${status === undefined ? sql`` : status === "failed" ? sql`and delivered_at is null` : sql`and delivered_at is not null`}
      order by created_at, id limit ${limit} for update
    ), replayed as (
      update webhook_deliveries set ${dueAgain(sql)} where id = any(array(select id from ended)) returning id
    )
    select (select count(*)::int from replayed) as replayed, (select max(created_at) from ended) as last`;
  const { replayed = 0, last = null } = row ?? {};
  // Deliveries of the same millisecond may be left: those that are pending now are not replayed twice.
  return { replayed, next: replayed < limit ? null : (last?.toISOString() ?? null) };
}

function dueAgain(sql: ISql) {
  return sql`next_at = now(), due_since = now(), attempts = 0, delivered_at = null`;
}

function getStatus({ nextAt, deliveredAt }: DeliveryRow): WebhookDelivery["status"] {
  if (nextAt !== null) return "pending";
  return deliveredAt === null ? "failed" : "delivered";
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  const { id, event, url, attempts, responseStatus, responseBody, latencyMs, error } = row;
  return {
    id,
    event,
    url: url && toShownUrl(url),
    status: getStatus(row),
    payload: row.payload as Record<string, unknown>,
    attempts,
    nextAt: row.nextAt?.toISOString() ?? null,
    attemptedAt: row.attemptedAt?.toISOString() ?? null,
    deliveredAt: row.deliveredAt?.toISOString() ?? null,
    response: responseStatus === null ? null : { status: responseStatus, body: responseBody ?? "" },
    latencyMs,
    error,
    createdAt: row.createdAt.toISOString(),
  };
}

function deliveryColumns(sql: ISql) {
  return sql`
    id, event, url, payload, attempts, next_at as "nextAt", attempted_at as "attemptedAt", delivered_at as "deliveredAt",
    response_status as "responseStatus", response_body as "responseBody", latency_ms as "latencyMs", error,
    created_at as "createdAt", (extract(epoch from created_at) * 1000000)::bigint::text as "createdMicros"`;
}
