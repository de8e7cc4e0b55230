import type { QueueSettingsColumns } from "../postgres/tables.ts";
import type { ISql, Sql } from "postgres";
import type { ApplySettings } from "./queue-settings.ts";
import type { QueueChange, QueueSettings } from "../../api/queue.ts";

type Row = Omit<QueueSettingsColumns, "updatedAt">;

/** Changes the given settings of a queue. `note` runs in the transaction; a rejection rolls the change back. */
export async function changeQueueSettings(
  sql: Sql,
  queue: string,
  { paused, concurrency, rateLimit }: QueueChange & { paused?: boolean },
  note: (tx: ISql) => Promise<unknown>,
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`insert into queue_settings (queue) values (${queue}) on conflict do nothing`;
    await tx`
      update queue_settings set updated_at = now()
        ${paused === undefined ? tx`` : tx`, paused = ${paused}`}
        ${concurrency === undefined ? tx`` : tx`, concurrency = ${concurrency}`}
        ${
          rateLimit === undefined
            ? tx``
            : tx`, rate_max = ${rateLimit?.max ?? null}, rate_duration_ms = ${rateLimit?.durationMs ?? null}`
        }
      where queue = ${queue}`;
    await note(tx);
  });
}

/** Reads the settings of a queue; throws if none were ever set. */
export async function readQueueSettings(sql: ISql, queue: string): Promise<QueueSettings> {
  const [row] = await select(sql, queue);
  if (row === undefined) throw new Error("the queue has no settings");
  return toSettings(row);
}

/** Lists the queues whose settings were ever set. */
export async function listSetQueues(sql: ISql): Promise<string[]> {
  const rows = await sql<Pick<Row, "queue">[]>`select queue from queue_settings order by queue`;
  return rows.map(({ queue }) => queue);
}

/**
 * Applies the settings in the ledger to Redis. The row is locked meanwhile, so that concurrent calls apply the newest
 * settings last. If none were ever set, only removes malformed settings from Redis.
 */
export async function enforceQueueSettings(
  sql: Sql,
  queue: string,
  apply: ApplySettings,
): Promise<void> {
  await sql.begin(async (tx) => {
    const [row] = await select(tx, queue, true);
    if (row !== undefined) await apply(toSettings(row));
    else await apply({ queue, paused: false, concurrency: null, rateLimit: null }, "malformed");
  });
}

function select(sql: ISql, queue: string, isHeld = false) {
  return sql<Row[]>`
    select queue, paused, concurrency, rate_max as "rateMax", rate_duration_ms as "rateDurationMs"
    from queue_settings where queue = ${queue} ${isHeld ? sql`for update` : sql``}`;
}

function toSettings({ rateMax: max, rateDurationMs: durationMs, ...row }: Row): QueueSettings {
  return { ...row, rateLimit: max === null || durationMs === null ? null : { max, durationMs } };
}
