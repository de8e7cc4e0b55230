import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import type { DrainWaiting } from "@toril/contract/engine/queues/drain-queue";
import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { LiveState } from "@toril/contract/engine/redis/live-state";
import { bullId, parseBullId } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { JobError } from "@toril/contract/api/jobs/job";
import type { ISql, Sql } from "postgres";
import type { TenantLedger } from "../stores/postgres.ts";
import { throwUnavailable } from "./queue-reader.ts";
import { indexScanOnly } from "../jobs/search-jobs.ts";

export interface DrainBatch {
  includesDelayed: boolean;
  /** `next` of the previous batch. */
  after: string | undefined;
}

/**
 * Cancels a batch of waiting jobs of a queue, of all tenants; `tenant` is the caller's. `next` is a job id, or null
 * after the last batch.
 */
export type DrainQueue = (
  tenant: string,
  queue: string,
  batch: DrainBatch,
) => Promise<{ cancelled: number; next: string | null }>;

export interface DrainDeps {
  ledger: TenantLedger;
  takeWaiting: DrainWaiting;
  readStates(
    jobs: readonly { queue: string; bullId: string }[],
  ): Promise<readonly (LiveState | undefined)[]>;
  remove: Remove;
}

const batchSize = 1000;
/** A call blocks Redis while it runs. */
const maxPerCall = 256;
const pageSize = 2000;
const drainedError: JobError = { name: "Drained", message: "The queue was drained." };

/**
 * Cancels jobs that wait in Redis first, then jobs that are pending in Postgres only. A job removed from Redis that
 * could not be cancelled stays pending, and the reconciler redispatches it.
 */
export function createDrainQueue(deps: DrainDeps): DrainQueue {
  const { ledger, takeWaiting, readStates, remove } = deps;
  const cancel = (tenant: string, jobs: readonly { id: string; generation: number }[]) =>
    ledger.run(tenant, async (sql) => (await cancelJobs(sql, jobs, drainedError)).length);

  async function cancelDispatched(tenant: string, queue: string, includesDelayed: boolean) {
    let taken = 0;
    let cancelled = 0;
    for (let isFull = true; isFull && taken < batchSize;) {
      const limit = Math.min(maxPerCall, batchSize - taken);
      const ids = await takeWaiting(queue, { limit, isDelayedToo: includesDelayed }).catch(
        throwUnavailable,
      );
      cancelled += await cancel(
        tenant,
        ids.flatMap((id) => parseBullId(id) ?? []),
      );
      taken += ids.length;
      isFull = ids.length === limit;
    }
    return { cancelled, isDone: taken < batchSize };
  }

  async function cancelUndispatched(tenant: string, queue: string, jobs: readonly PendingJob[]) {
    const dispatched = jobs.map(({ id, generation }) => ({
      queue,
      bullId: bullId(id, generation),
    }));
    const states = await readStates(dispatched).catch(throwUnavailable);
    const isMissing = (_: unknown, at: number) => states[at] === undefined;
    const cancelled = await cancel(tenant, jobs.filter(isMissing));
    // The jobs may have been dispatched meanwhile.
    const ids = dispatched.filter(isMissing).map((job) => job.bullId);
    await remove(queue, ids, "ended").catch(throwUnavailable);
    return cancelled;
  }

  return async (tenant, queue, { includesDelayed, after = lowestId }) => {
    const fromRedis = await cancelDispatched(tenant, queue, includesDelayed);
    if (!fromRedis.isDone) return { cancelled: fromRedis.cancelled, next: after };
    const page = await ledger.run(tenant, (sql) => readPending(sql, after));
    const undispatched = page.filter(
      (job) => job.queue === queue && (includesDelayed || !job.isDelayed),
    );
    const cancelled = fromRedis.cancelled + (await cancelUndispatched(tenant, queue, undispatched));
    return { cancelled, next: page.length === pageSize ? (page.at(-1)?.id ?? null) : null };
  };
}

type PendingJob = Pick<JobColumns, "id" | "generation" | "queue"> & { isDelayed: boolean };

/**
 * Reads a page of the pending jobs of all queues. A job accepted in the last 5 s may not be dispatched yet, and counts
 * as accepted after the drain.
 */
function readPending(sql: Sql, after: string) {
  return sql.begin(async (tx: ISql) => {
    await indexScanOnly(tx);
    return tx<PendingJob[]>`
      select id, generation, queue, coalesce(run_at > now(), false) as "isDelayed" from jobs
      where status = 'pending' and waiting_children is not true and id > ${after} and created_at < now() - interval '5 seconds'
      order by id limit ${pageSize}`;
  });
}
