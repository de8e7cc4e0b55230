import type { ISql } from "postgres";
import { importIsDone, recordImportEnds } from "../jobs/graph/graph-events.ts";

/**
 * SQL that records the events of webhooks in the statement that ends jobs: neither of them commits without the other.
 * The fragments have no parameters. The id of a delivery is a hash of event and webhook, so that an event that is
 * recorded again is sent under the same id. Callbacks are recorded while their webhook is disabled, too.
 */

const timestamp = `to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

interface RecordedEvent {
  name: string;
  /** Columns that identify the event, besides its name. */
  subject: string;
  data: string;
  /** The CTE with the jobs or imports that ended. */
  source: string;
  /** Further condition on the webhooks that subscribe to the event. */
  filter: string;
  /** Condition on the rows of the source; all by default. */
  condition?: string;
}

function insertDeliveries(event: RecordedEvent): string {
  const { name, subject, data, source, filter, condition = "true" } = event;
  return `
    insert into webhook_deliveries (id, webhook_id, event, url, payload, next_at)
    select md5(concat_ws(':', ${subject}, ${name}, webhooks.id))::uuid, webhooks.id, ${name},
      case when webhooks.id = ${source}.callback_webhook then ${source}.callback_url end,
      json_build_object('type', ${name}, 'timestamp', ${timestamp}, 'data', json_build_object(${data})), now()
    from ${source} join webhooks on webhooks.tenant = ${source}.tenant
    where (webhooks.id = ${source}.callback_webhook
        or webhooks.is_enabled and ${name} = any(webhooks.events)
          and (webhooks.types is null or ${source}.type = any(webhooks.types)) and ${filter})
      and ${condition}
    on conflict do nothing`;
}

/** The columns of `ended` that `jobEvents` reads. */
export const endedJobColumns = `jobs.id, jobs.generation, jobs.tenant, jobs.queue, jobs.type, jobs.key, jobs.labels, jobs.status, jobs.attempts,
  jobs.import_id, jobs.callback_webhook, jobs.callback_url`;

/** CTEs that record the events of the jobs in the CTE `ended`. */
export const jobEvents = `job_events as (${insertDeliveries({
  name: `'job.' || ended.status`,
  subject: `ended.id, ended.generation`,
  data: `'id', ended.id, 'type', ended.type, 'queue', ended.queue, 'key', ended.key, 'status', ended.status,
   'generation', ended.generation, 'attempts', ended.attempts, 'labels', ended.labels, 'importId', ended.import_id`,
  source: "ended",
  filter: `(webhooks.queues is null or ended.queue = any(webhooks.queues))
          and (webhooks.labels is null or ended.labels && webhooks.labels)`,
})})`;

/** The columns of `counted_imports` that `importEvents` reads. */
export const countedImportColumns = `imports.id, imports.tenant, imports.type, imports.status, imports.read, imports.accepted, imports.duplicate,
  imports.rejected, imports.completed, imports.dead, imports.cancelled, imports.expired, imports.callback_webhook, imports.callback_url,
  imports.then_job`;

const counts = [
  "read",
  "accepted",
  "duplicate",
  "rejected",
  "completed",
  "dead",
  "cancelled",
  "expired",
]
  .map((count) => `'${count}', counted_imports.${count}`)
  .join(", ");

/**
 * CTE that records the events of the imports in the CTE `counted_imports` whose jobs have all ended. An import has no
 * queue: a webhook for some queues gets none of these events, unless it names job types.
 */
export const importEvents = `import_events as (${insertDeliveries({
  name: `'import.done'`,
  subject: `counted_imports.id`,
  data: `'id', counted_imports.id, 'type', counted_imports.type, 'status',
   case when counted_imports.read > 0 and counted_imports.rejected = counted_imports.read then 'failed' else 'done' end,
   'counts', json_build_object(${counts})`,
  source: "counted_imports",
  filter: `(webhooks.queues is null or webhooks.types is not null)`,
  condition: importIsDone("counted_imports"),
})})`;

/**
 * Records the end of an import, for webhooks and for the job that waits for it, if all of its jobs have ended. Call it in
 * the transaction that records the end of the file.
 */
export async function recordImportDone(tx: ISql, id: string): Promise<void> {
  await tx`
    with counted_imports as (select ${tx.unsafe(countedImportColumns)} from imports where id = ${id}),
    ${tx.unsafe(importEvents)}, ${tx.unsafe(recordImportEnds)}
    select 1`;
}
