import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import type { TakeWaiting } from "@toril/contract/engine/redis/drain-queue";
import type { LiveState } from "@toril/contract/engine/redis/live-state";
import { bullId, parseBullId } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/remove";
import type { JobError } from "@toril/contract/api/job";
import type { ISql, Sql } from "postgres";
import type { TenantLedger } from "../stores/postgres.ts";
import { away } from "./queue-reader.ts";
import { indexScanOnly } from "../jobs/index-scan-only.ts";

export interface DrainBatch {
  isDelayedToo: boolean;
  /** `next` of the batch before. */
  after: string | undefined;
}

/** Cancels a batch of what waits in a queue, of all tenants; `tenant` asks for it. `next`: an id, or null when nothing is left. */
export type DrainQueue = (
  tenant: string,
  queue: string,
  batch: DrainBatch,
) => Promise<{ cancelled: number; next: string | null }>;

export interface DrainDeps {
  ledger: TenantLedger;
  takeWaiting: TakeWaiting;
  readStates(
    jobs: readonly { queue: string; bullId: string }[],
  ): Promise<readonly (LiveState | undefined)[]>;
  remove: Remove;
}

const batchSize = 1000;
/** Redis does nothing else during a call. */
const maxPerCall = 256;
const pageSize = 2000;
const firstId = "00000000-0000-0000-0000-000000000000";
const drained: JobError = { name: "Drained", message: "Its queue was drained." };

/**
 * First what waits in Redis, then what is pending in the ledger and not in Redis. What was taken from Redis and could
 * not be cancelled is pending still, and placed again by the reconciler.
 */
export function createDrainQueue(deps: DrainDeps): DrainQueue {
  const { ledger, takeWaiting, readStates, remove } = deps;
  const cancel = (tenant: string, jobs: readonly { id: string; run: number }[]) =>
    ledger.run(tenant, async (sql) => (await cancelJobs(sql, jobs, drained)).length);

  async function cancelPlaced(tenant: string, queue: string, isDelayedToo: boolean) {
    let taken = 0;
    let cancelled = 0;
    for (let isFull = true; isFull && taken < batchSize;) {
      const most = Math.min(maxPerCall, batchSize - taken);
      const ids = await takeWaiting(queue, { most, isDelayedToo }).catch(away);
      cancelled += await cancel(
        tenant,
        ids.flatMap((id) => parseBullId(id) ?? []),
      );
      taken += ids.length;
      isFull = ids.length === most;
    }
    return { cancelled, isDone: taken < batchSize };
  }

  async function cancelUnplaced(tenant: string, queue: string, jobs: readonly PendingJob[]) {
    const placements = jobs.map(({ id, run }) => ({ queue, bullId: bullId(id, run) }));
    const states = await readStates(placements).catch(away);
    const missing = (_: unknown, at: number) => states[at] === undefined;
    const cancelled = await cancel(tenant, jobs.filter(missing));
    // Placed meanwhile.
    const ids = placements.filter(missing).map((placement) => placement.bullId);
    await remove(queue, ids, "ended").catch(away);
    return cancelled;
  }

  return async (tenant, queue, { isDelayedToo, after = firstId }) => {
    const placed = await cancelPlaced(tenant, queue, isDelayedToo);
    if (!placed.isDone) return { cancelled: placed.cancelled, next: after };
    const page = await ledger.run(tenant, (sql) => readPending(sql, after));
    const unplaced = page.filter((job) => job.queue === queue && (isDelayedToo || !job.isDelayed));
    const cancelled = placed.cancelled + (await cancelUnplaced(tenant, queue, unplaced));
    return { cancelled, next: page.length === pageSize ? (page.at(-1)?.id ?? null) : null };
  };
}

interface PendingJob {
  id: string;
  run: number;
  queue: string;
  isDelayed: boolean;
}

/** A page of what is pending in all queues. What was accepted just now is on its way to Redis, and counts as accepted later. */
function readPending(sql: Sql, after: string) {
  return sql.begin(async (tx: ISql) => {
    await indexScanOnly(tx);
    return tx<PendingJob[]>`
      select id, run, queue, coalesce(run_at > now(), false) as "isDelayed" from jobs
      where status = 'pending' and id > ${after} and created_at < now() - interval '5 seconds'
      order by id limit ${pageSize}`;
  });
}
