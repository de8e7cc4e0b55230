import type { ISql } from "postgres";
import type { ScheduleRun } from "../../api/schedule.ts";
import { isAtOrBelow } from "../../api/webhooks/webhook.ts";
import { secretShown } from "../../api/job-data/secret-fields.ts";
import type { WebhookColumns } from "../postgres/tables.ts";

/** A webhook that permits callback URLs. */
export type CallbackReceiver = Pick<
  WebhookColumns,
  "id" | "url" | "types" | "queues" | "labels"
> & {
  /** The webhook was changed a moment ago: consumers may not have read it yet. */
  isNew: boolean;
};

/** The addresses to which the end of the jobs of a request is reported. */
export interface Callbacks {
  receivers: readonly CallbackReceiver[];
  /** For jobs without a URL of their own. */
  url?: string | undefined;
  /** Whether a job whose URL is not permitted is created without it instead of refused. */
  isOptional?: boolean | undefined;
}

/** A callback as the ledger stores it. */
export interface Callback {
  url: string;
  webhook: string;
}

/** Returns a callback URL as responses show it: its query may contain a secret of the receiver. */
export function toShownUrl(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : `${url.slice(0, query)}?${secretShown}`;
}

/** Explains in the run of a schedule why its job has no callback URL; null if the job has all that its template has. */
export function explainRun(
  { callbackUrl }: { callbackUrl?: string | undefined },
  { callback }: { callback: Callback | null },
): Pick<ScheduleRun, "reason" | "detail"> {
  if (callbackUrl === undefined || callback !== null) return { reason: null, detail: null };
  const detail =
    "No webhook permits the callback URL any more: the end of the job is not reported.";
  return { reason: "callback", detail };
}

/** The longest time from the beginning of a change of a webhook to its commit. */
const maxCommitSeconds = 10;

/** After this all processes record the events of a new webhook, even if the service had none before. */
export const knownAfterMs = 2000;

/**
 * Reads the webhooks of a tenant that permit callback URLs, for jobs that are recorded next. Waits if one was changed a
 * moment ago: a consumer that settled a job before would not record its callback.
 */
export async function awaitCallbackReceivers(
  read: () => Promise<CallbackReceiver[]>,
): Promise<CallbackReceiver[]> {
  const receivers = await read();
  if (receivers.some(({ isNew }) => isNew)) {
    await new Promise((resolve) => setTimeout(resolve, knownAfterMs));
  }
  return receivers;
}

/** Reads the webhooks of a tenant that permit callback URLs. */
export async function readCallbackReceivers(
  sql: ISql,
  tenant: string,
): Promise<CallbackReceiver[]> {
  return (await readReceiversByTenant(sql, [tenant])).get(tenant) ?? [];
}

/** Reads the webhooks of tenants that permit callback URLs. */
export async function readReceiversByTenant(
  sql: ISql,
  tenants: readonly string[],
): Promise<Map<string, CallbackReceiver[]>> {
  if (tenants.length === 0) return new Map();
  const rows = await sql<(CallbackReceiver & Pick<WebhookColumns, "tenant">)[]>`
    select tenant, id, url, to_jsonb(types) as types, to_jsonb(queues) as queues, to_jsonb(labels) as labels,
      updated_at > now() - ${maxCommitSeconds} * interval '1 s' as "isNew"
    from webhooks where tenant = any(${[...tenants]}::text[]) and 'callback' = any(events) order by name`;
  return Map.groupBy(rows, ({ tenant }) => tenant);
}

/** Finds the webhook that permits a callback URL for a job. */
export function findJobReceiver(
  { receivers }: Callbacks,
  url: string,
  job: { type: string; queue: string; labels: readonly string[] | undefined },
): CallbackReceiver | undefined {
  return receivers.find(
    ({ url: base, types, queues, labels }) =>
      isAtOrBelow(url, base) &&
      (types?.includes(job.type) ?? true) &&
      (queues?.includes(job.queue) ?? true) &&
      (labels === null || job.labels?.some((label) => labels.includes(label)) === true),
  );
}

/** Finds the webhook that permits a callback URL for an import, which has no queue and no labels. */
export function findImportReceiver(
  receivers: readonly CallbackReceiver[],
  url: string,
  type: string,
): CallbackReceiver | undefined {
  return receivers.find(
    ({ url: base, types, queues }) =>
      isAtOrBelow(url, base) &&
      (types?.includes(type) ?? true) &&
      (queues === null || types !== null),
  );
}
