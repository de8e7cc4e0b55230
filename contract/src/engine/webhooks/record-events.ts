/**
 * SQL that records the events of webhooks in the statement that ends jobs: neither of them commits without the other.
 * The fragments have no parameters. The id of a delivery is a hash of event and webhook, so that an event that is
 * recorded again is sent under the same id.
 */

const timestamp = `to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** @param subject columns that identify the event, besides its name */
function insertDeliveries(event: string, subject: string, data: string, source: string): string {
  return `
    insert into webhook_deliveries (id, webhook_id, event, payload, next_at)
    select md5(concat_ws(':', ${subject}, ${event}, webhooks.id))::uuid, webhooks.id, ${event},
      json_build_object('type', ${event}, 'timestamp', ${timestamp}, 'data', json_build_object(${data})), now()
    from ${source} join webhooks on webhooks.tenant = ${source}.tenant
    where webhooks.is_enabled and ${event} = any(webhooks.events)
      and (webhooks.types is null or ${source}.type = any(webhooks.types))`;
}

/** The columns of `ended` that `jobEvents` reads. */
export const endedJobColumns = `jobs.id, jobs.generation, jobs.tenant, jobs.queue, jobs.type, jobs.key, jobs.labels, jobs.status, jobs.attempts, jobs.import_id`;

/** CTEs that record the events of the jobs in the CTE `ended`. */
export const jobEvents = `job_events as (${insertDeliveries(
  `'job.' || ended.status`,
  `ended.id, ended.generation`,
  `'id', ended.id, 'type', ended.type, 'queue', ended.queue, 'key', ended.key, 'status', ended.status,
   'generation', ended.generation, 'attempts', ended.attempts, 'labels', ended.labels, 'importId', ended.import_id`,
  "ended",
)}
      and (webhooks.queues is null or ended.queue = any(webhooks.queues))
      and (webhooks.labels is null or ended.labels && webhooks.labels)
    on conflict do nothing
  )`;

/** The columns of `counted_imports` that `importEvents` reads. */
export const countedImportColumns = `imports.id, imports.tenant, imports.type, imports.status, imports.read, imports.accepted, imports.duplicate,
  imports.rejected, imports.completed, imports.dead, imports.cancelled, imports.expired`;

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
export const importEvents = `import_events as (${insertDeliveries(
  `'import.done'`,
  `counted_imports.id`,
  `'id', counted_imports.id, 'type', counted_imports.type, 'status',
   case when counted_imports.read > 0 and counted_imports.rejected = counted_imports.read then 'failed' else 'done' end,
   'counts', json_build_object(${counts})`,
  "counted_imports",
)}
      and (webhooks.queues is null or webhooks.types is not null)
      and counted_imports.status = 'received' and counted_imports.accepted <=
        counted_imports.completed + counted_imports.dead + counted_imports.cancelled + counted_imports.expired
    on conflict do nothing
  )`;
