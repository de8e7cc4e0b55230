import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { FailedJobs } from "@toril/contract/engine/redis/failed-jobs";
import { bullId, parseBullId } from "@toril/contract/engine/redis/names";
import type { TenantLedger } from "../stores/postgres.ts";
import { throwUnavailable } from "./queue-reader.ts";

export interface CleanBatch {
  olderThanMs: number;
  /** `next` of the previous batch. */
  offset: number;
}

/**
 * Removes a batch of failed jobs from Redis, of all tenants; `tenant` is the caller's. `next` is the number of jobs
 * kept so far, or null after the last batch.
 */
export type CleanQueue = (
  tenant: string,
  queue: string,
  batch: CleanBatch,
) => Promise<{ removed: number; next: number | null }>;

const batchSize = 1000;

/** Jobs pending in Postgres are kept: they would be redispatched, although they only wait to be settled. */
export function createCleanQueue(ledger: TenantLedger, failed: FailedJobs): CleanQueue {
  async function findPending(tenant: string, ids: readonly string[]) {
    const targets = ids.flatMap((id) => parseBullId(id)?.id ?? []);
    const rows = await ledger.run(
      tenant,
      (sql) => sql<Pick<JobColumns, "id" | "generation">[]>`
        select id, generation from jobs where id = any(${targets}::uuid[]) and status = 'pending'`,
    );
    return new Set(rows.map(({ id, generation }) => bullId(id, generation)));
  }

  return async (tenant, queue, { olderThanMs, offset }) => {
    const before = Date.now() - olderThanMs;
    const ids = await failed
      .list(queue, { before, offset, limit: batchSize })
      .catch(throwUnavailable);
    const pending = await findPending(tenant, ids);
    const ended = ids.filter((id) => !pending.has(id));
    const removed = await failed.remove(queue, ended).catch(throwUnavailable);
    const kept = offset + ids.length - ended.length;
    return { removed, next: ids.length === batchSize ? kept : null };
  };
}
