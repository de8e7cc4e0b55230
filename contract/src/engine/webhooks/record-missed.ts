import type { ISql } from "postgres";
import type { ScheduleRun } from "../../api/schedule.ts";

/** A fire time of a schedule that created no job. */
export interface MissedRun {
  tenant: string;
  name: string;
  type: string;
  queue: string;
  run: ScheduleRun;
}

/** Whether a run is reported as missed. A deferred fire time is retried, and another pending job replaces a duplicate. */
export function isMissed({ outcome }: Pick<ScheduleRun, "outcome">): boolean {
  return outcome === "skipped" || outcome === "failed";
}

/** Records the events of missed runs, in the transaction that records the runs. */
export async function recordMissed(tx: ISql, missed: readonly MissedRun[]): Promise<void> {
  if (missed.length === 0) return;
  await tx`
    insert into webhook_deliveries (id, webhook_id, event, payload, next_at)
    select md5(concat_ws(':', missed.tenant, missed.name, missed.run ->> 'scheduledFor', 'schedule.missed', webhooks.id))::uuid,
      webhooks.id, 'schedule.missed',
      json_build_object(
        'type', 'schedule.missed', 'timestamp', missed.run -> 'at',
        'data', json_build_object(
          'schedule', missed.name, 'type', missed.type, 'queue', missed.queue, 'scheduledFor', missed.run -> 'scheduledFor',
          'outcome', missed.run -> 'outcome', 'reason', missed.run -> 'reason', 'detail', missed.run -> 'detail'
        )
      ), now()
    from unnest(
      ${missed.map(({ tenant }) => tenant)}::text[], ${missed.map(({ name }) => name)}::text[],
      ${missed.map(({ type }) => type)}::text[], ${missed.map(({ queue }) => queue)}::text[],
      ${missed.map(({ run }) => JSON.stringify(run))}::text[]::json[]
    ) as missed (tenant, name, type, queue, run)
    join webhooks on webhooks.tenant = missed.tenant
    where webhooks.is_enabled and 'schedule.missed' = any(webhooks.events)
      and (webhooks.types is null or missed.type = any(webhooks.types))
      and (webhooks.queues is null or missed.queue = any(webhooks.queues))
    on conflict do nothing`;
}
