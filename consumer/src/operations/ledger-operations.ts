import { selectJobs, type SelectionScope } from "@toril/contract/change/select";
import { statusOf } from "@toril/contract/operation";
import type { ISql } from "postgres";
import type { Applied, createActions } from "./actions.ts";
import { readAllowance } from "./allowance.ts";

export interface ClaimedOperation extends SelectionScope {
  id: string;
  ratePerSecond: number | null;
  quotaKey: string | null;
}

/** Short enough that nobody waits for its locks, and Redis for its scripts. */
const batchSize = 250;
/** For how long nobody else takes an operation over whose holder says nothing. */
const lease = "10 seconds";

/** The one that has waited the longest for its turn, of those that nobody else is at. One that failed is still the holder's. */
export async function claimOperation(
  sql: ISql,
  holder: string,
): Promise<ClaimedOperation | undefined> {
  const [row] = await sql<ClaimedOperation[]>`
    update operations set status = 'running', holder = ${holder}, lease_until = now() + ${lease}::interval
    where id = any(array(
      select id from operations
      where status in ('pending', 'running')
        and (lease_until is null or lease_until <= now() or holder = ${holder})
      order by lease_until nulls first, id limit 1 for update skip locked))
    returning id, tenant, action, filter, reach, rate_per_second as "ratePerSecond",
      quota_key as "quotaKey", created_at as "createdBefore"`;
  return row;
}

/** In how many milliseconds one may be claimed. */
export async function untilNextTurn(sql: ISql): Promise<number | undefined> {
  const [row] = await sql<{ ms: number }[]>`
    select ceil(extract(epoch from lease_until - now()) * 1000)::float8 as ms from operations
    where status in ('pending', 'running') order by lease_until nulls first limit 1`;
  return row?.ms;
}

export type Step =
  /** Somebody else has it, or it was stopped. */
  | { status: "over" }
  /** Its maker's key may have no more jobs that wait. */
  | { status: "full" }
  | { status: "done" | "more"; seen: number; applied: Applied; jobsPerSecond: number };

/** The next jobs, and how far the operation has come, in one transaction. */
export async function stepOn(
  sql: ISql,
  { operation, holder }: { operation: ClaimedOperation; holder: string },
  actions: ReturnType<typeof createActions>,
): Promise<Step> {
  const { id, action, filter, quotaKey } = operation;
  const [held] = await sql<{ cursor: string | null; isStopping: boolean }[]>`
    select cursor, is_stopping as "isStopping" from operations
    where id = ${id} and holder = ${holder} and status = 'running' for update`;
  if (held === undefined) return { status: "over" };
  if (held.isStopping) {
    await sql`update operations set status = 'stopped', ended_at = now() where id = ${id}`;
    return { status: "over" };
  }
  const { jobsPerSecond, room } = await readAllowance(sql, operation);
  const size = Math.min(batchSize, jobsPerSecond, Math.max(room, 1));
  const page = await selectJobs(sql, operation, held.cursor, size);
  const seen = page.ids.length;
  if (seen > room) return { status: "full" };
  const applied =
    seen === 0
      ? { changed: 0, failed: 0 }
      : await actions[action](sql, page.ids, { status: statusOf(action, filter), quotaKey });
  const { changed, failed } = applied;
  // What the steps before changed is in Redis by now.
  const isDone = page.isLast && seen === 0;
  await sql`
    update operations set cursor = ${page.cursor}, seen = seen + ${seen}, changed = changed + ${changed},
      failed = failed + ${failed}, skipped = skipped + ${seen - changed - failed},
      status = ${isDone ? "done" : "running"}, ended_at = case when ${isDone} then now() end
    where id = ${id}`;
  return { status: isDone ? "done" : "more", seen, applied, jobsPerSecond };
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
