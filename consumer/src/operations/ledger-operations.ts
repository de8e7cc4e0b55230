import { selectJobs, type SelectionScope } from "@toril/contract/engine/jobs/change/select";
import { statusOf } from "@toril/contract/api/operation";
import type { Quotas } from "@toril/contract/api/quota";
import type { KeyQuota } from "@toril/contract/engine/quotas/key-quota";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { ISql } from "postgres";
import type { Applied, createActions } from "./actions.ts";

export interface ClaimedOperation extends SelectionScope {
  id: string;
  ratePerSecond: number | null;
  quotaKey: string | null;
}

/** Short enough that nobody waits for its locks, and Redis for its scripts. */
const batchSize = 250;
/** For how long nobody else takes an operation over whose holder says nothing. */
const lease = "10 seconds";

/**
 * An operation of the next tenant in turn that has one: of its operations that nobody else is at, the one that has waited
 * the longest. One that failed is still the holder's.
 * @param after the tenant that had the turn before
 */
export async function claimOperation(
  sql: ISql,
  { holder, after }: { holder: string; after: string },
): Promise<ClaimedOperation | undefined> {
  for (const turn of [sql`tenant > ${after}`, sql`tenant <= ${after}`]) {
    const [row] = await sql<ClaimedOperation[]>`
      update operations set status = 'running', holder = ${holder}, lease_until = now() + ${lease}::interval
      where id = any(array(
        select id from operations
        where status in ('pending', 'running') and ${turn}
          and (lease_until is null or lease_until <= now() or holder = ${holder})
        order by tenant, lease_until nulls first, id limit 1 for update skip locked))
      returning id, tenant, action, filter, reach, rate_per_second as "ratePerSecond",
        quota_key as "quotaKey", created_at as "createdBefore"`;
    if (row !== undefined) return row;
  }
  return undefined;
}

/** In how many milliseconds one may be claimed. */
export async function untilNextTurn(sql: ISql): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select ceil(extract(epoch from min(lease_until) - now()) * 1000)::float8 as ms from operations
    where status in ('pending', 'running')`;
  return row?.ms ?? undefined;
}

export type Step =
  /** Somebody else has it, or it was stopped. */
  | { status: "over" }
  /** A quota of its maker's key is used up. */
  | { status: "full"; waitMs: number }
  | { status: "done" | "more"; seen: number; applied: Applied; waitMs: number };

export interface Turn {
  operation: ClaimedOperation;
  holder: string;
  /** Gives reserved places back, when the transaction has ended. */
  release(): void;
}

/** The next jobs, and how far the operation has come, in one transaction. */
export async function stepOn(
  sql: ISql,
  turn: Turn,
  { actions, findQuota }: { actions: ReturnType<typeof createActions>; findQuota: FindQuota },
): Promise<Step> {
  const { operation, holder } = turn;
  const { id, action, filter, quotaKey, ratePerSecond } = operation;
  const [held] = await sql<{ cursor: string | null; isStopping: boolean }[]>`
    select cursor, is_stopping as "isStopping" from operations
    where id = ${id} and holder = ${holder} and status = 'running' for update`;
  if (held === undefined) return { status: "over" };
  if (held.isStopping) {
    await sql`update operations set status = 'stopped', ended_at = now() where id = ${id}`;
    return { status: "over" };
  }
  const page = await selectJobs(
    sql,
    operation,
    held.cursor,
    Math.min(batchSize, ratePerSecond ?? Infinity),
  );
  const quota = await quotaOf(sql, operation, findQuota);
  const { granted, refusal } = (await quota?.draw(page.ids.length)) ?? {
    granted: page.ids.length,
    refusal: undefined,
  };
  turn.release = () => quota?.release(granted);
  const waitMs = refusal?.waitMs ?? 0;
  if (granted === 0 && page.ids.length > 0) return { status: "full", waitMs };
  const ids = page.ids.slice(0, granted);
  const seen = ids.length;
  const cursor = seen < page.ids.length ? (ids.at(-1) ?? null) : page.cursor;
  const applied =
    seen === 0
      ? { changed: 0, failed: 0 }
      : await actions[action](sql, ids, { status: statusOf(action, filter), quotaKey });
  const { changed, failed } = applied;
  // What the steps before changed is in Redis by now.
  const isDone = page.isLast && seen === 0;
  await sql`
    update operations set cursor = ${cursor}, seen = seen + ${seen}, changed = changed + ${changed},
      failed = failed + ${failed}, skipped = skipped + ${seen - changed - failed},
      status = ${isDone ? "done" : "running"}, ended_at = case when ${isDone} then now() end
    where id = ${id}`;
  return { status: isDone ? "done" : "more", seen, applied, waitMs };
}

/** Of what makes jobs pending, and whose maker's key has quotas. */
async function quotaOf(
  sql: ISql,
  { action, quotaKey }: ClaimedOperation,
  findQuota: FindQuota,
): Promise<KeyQuota | undefined> {
  if (action !== "retry" || quotaKey === null) return undefined;
  const [key] = await sql<{ quotas: Quotas | null }[]>`
    select quotas from api_keys where id = ${quotaKey}`;
  return key?.quotas ? findQuota(quotaKey, key.quotas) : undefined;
}

/** It cannot go on. */
export async function failOperation(
  sql: ISql,
  { id, holder, error }: { id: string; holder: string; error: string },
): Promise<void> {
  await sql`
    update operations set status = 'failed', error = ${error}, ended_at = now()
    where id = ${id} and holder = ${holder} and status = 'running'`;
}

/** Whoever has time goes on with it when its turn comes. */
export async function releaseOperation(
  sql: ISql,
  { id, holder, dueMs }: { id: string; holder: string; dueMs: number },
): Promise<void> {
  await sql`
    update operations set holder = null, lease_until = now() + ${Math.max(0, dueMs)} * interval '1 millisecond'
    where id = ${id} and holder = ${holder}`;
}
