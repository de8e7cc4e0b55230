import type {
  WebhookColumns,
  WebhookDeliveryColumns,
} from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";

/** A webhook with due deliveries. */
export type DueWebhook = Pick<WebhookColumns, "id" | "tenant"> & {
  /** Its last attempt failed. */
  isFailing: boolean;
  /** How long its oldest delivery is due. */
  lagMs: number;
};

/** Finds the webhooks with due deliveries. Walks one index entry for each webhook with pending deliveries. */
export function findDueWebhooks(sql: ISql): Promise<DueWebhook[]> {
  return sql<DueWebhook[]>`
    with recursive walk (id) as (
      (select webhook_id from webhook_deliveries where next_at is not null order by webhook_id limit 1)
      union all
      select (
        select webhook_id from webhook_deliveries
        where next_at is not null and webhook_id > walk.id order by webhook_id limit 1
      ) from walk where walk.id is not null
    )
    select webhooks.id, tenant, failing_since is not null as "isFailing",
      (extract(epoch from now() - due.next_at) * 1000)::float8 as "lagMs"
    from walk join webhooks using (id)
    cross join lateral (
      select next_at from webhook_deliveries
      where webhook_id = walk.id and next_at is not null and next_at <= now() order by next_at limit 1
    ) as due
    where is_enabled and (paused_until is null or paused_until <= now())`;
}

/** How many deliveries of a webhook to claim. */
export interface ClaimRequest {
  id: string;
  count: number;
}

export type ClaimedDelivery = Pick<
  WebhookDeliveryColumns,
  "id" | "webhookId" | "event" | "attempts"
> &
  Pick<WebhookColumns, "tenant" | "name" | "url" | "version" | "secret" | "previousSecret"> & {
    /** The callback URL of the job or import; null: the URL of the webhook. */
    callbackUrl: string | null;
    /** JSON text. */
    body: string;
    ageMs: number;
    /** Since when each attempt for the webhook has failed; 0 if the last one succeeded. */
    failingForMs: number;
  };

/** The result of one attempt. */
export interface AttemptReport {
  delivery: Pick<ClaimedDelivery, "id" | "attempts" | "webhookId" | "version">;
  isDelivered: boolean;
  /** Delay before the next attempt; null for the last. */
  retryMs: number | null;
  latencyMs: number;
  responseStatus: number | null;
  responseBody: string | null;
  error: string | null;
  /** The endpoint asked for a pause. */
  pauseMs: number | null;
}

export interface DeliveryExchange {
  reports: readonly AttemptReport[];
  requests: readonly ClaimRequest[];
  leaseMs: number;
}

/**
 * Records the results of attempts and claims due deliveries, oldest first, in one statement. A result is ignored if
 * another process has claimed its delivery since, and does not count for a webhook that has changed since. Until `leaseMs` is over no other process claims the deliveries; if this
 * process dies, another one repeats the attempts under the same ids.
 */
export function exchangeDeliveries(
  sql: ISql,
  { reports, requests, leaseMs }: DeliveryExchange,
): Promise<ClaimedDelivery[]> {
  const of = <Value>(pick: (report: AttemptReport) => Value) => reports.map(pick);
  const health = getHealth(reports);
  return sql<ClaimedDelivery[]>`
    with recorded as (
      update webhook_deliveries as d set
        next_at = now() + report.retry_ms * interval '1 ms',
        delivered_at = case when report.is_delivered = 1 then now() end,
        response_status = report.response_status, response_body = report.response_body,
        latency_ms = report.latency_ms, error = report.error
      from unnest(
        ${of(({ delivery }) => delivery.id)}::uuid[], ${of(({ delivery }) => delivery.attempts)}::int[],
        ${of(({ isDelivered }) => Number(isDelivered))}::int[], ${of(({ retryMs }) => retryMs)}::float8[],
        ${of(({ latencyMs }) => Math.round(latencyMs))}::int[], ${of(({ responseStatus }) => responseStatus)}::int[],
        ${of(({ responseBody }) => responseBody)}::text[], ${of(({ error }) => error)}::text[]
      ) as report (id, attempts, is_delivered, retry_ms, latency_ms, response_status, response_body, error)
      where d.id = report.id and d.attempts = report.attempts
    ), health as (
      update webhooks set
        failing_since = case when health.is_healthy = 0 then coalesce(failing_since, now()) end,
        paused_until = greatest(
          now() + health.pause_ms * interval '1 ms',
          case when health.is_healthy = 0 or paused_until > now() then paused_until end
        )
      from unnest(
        ${health.map(({ id }) => id)}::uuid[], ${health.map(({ version }) => version)}::int[],
        ${health.map(({ isHealthy }) => Number(isHealthy))}::int[], ${health.map(({ pauseMs }) => pauseMs)}::float8[]
      ) as health (id, version, is_healthy, pause_ms)
      where webhooks.id = health.id and webhooks.version = health.version and (
        health.pause_ms is not null or (failing_since is null) <> (health.is_healthy = 1)
        or health.is_healthy = 1 and paused_until <= now()
      )
    ), claimed as (
      select due.id from unnest(
        ${requests.map(({ id }) => id)}::uuid[], ${requests.map(({ count }) => count)}::int[]
      ) as requested (id, count)
      cross join lateral (
        select id from webhook_deliveries
        where webhook_id = requested.id and next_at is not null and next_at <= now()
        order by next_at limit requested.count for update skip locked
      ) as due
    )
    update webhook_deliveries as d
    set attempts = attempts + 1, attempted_at = now(), next_at = now() + ${leaseMs} * interval '1 ms'
    from webhooks
    where d.id = any(array(select id from claimed)) and webhooks.id = d.webhook_id and is_enabled
    returning d.id, d.webhook_id as "webhookId", d.event, d.attempts, d.payload::text as body,
      (extract(epoch from now() - d.due_since) * 1000)::float8 as "ageMs", webhooks.tenant, webhooks.name,
      webhooks.version, webhooks.url, d.url as "callbackUrl", webhooks.secret,
      case when webhooks.previous_until > now() then webhooks.previous_secret end as "previousSecret",
      coalesce(extract(epoch from now() - webhooks.failing_since) * 1000, 0)::float8 as "failingForMs"`;
}

interface Health {
  id: string;
  version: number;
  isHealthy: boolean;
  pauseMs: number | null;
}

/**
 * Whether the last attempt for each webhook succeeded, and the longest pause that its endpoint asked for: requests that
 * were sent before the pause may succeed after it. Attempts of earlier versions may be those of another URL. Sorted, so that concurrent statements do not deadlock.
 */
function getHealth(reports: readonly AttemptReport[]): Health[] {
  const byId = new Map<string, Health>();
  for (const { delivery, isDelivered, pauseMs } of reports) {
    const { webhookId: id, version } = delivery;
    const known = byId.get(id);
    if (known !== undefined && known.version > version) continue;
    const before = known?.version === version ? known.pauseMs : null;
    const pause =
      before === null || pauseMs === null ? (pauseMs ?? before) : Math.max(before, pauseMs);
    byId.set(id, { id, version, isHealthy: isDelivered, pauseMs: pause });
  }
  return [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
