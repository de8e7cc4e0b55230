import { selectJobs, type SelectionScope } from "@toril/contract/change/select";
import { statusOf } from "@toril/contract/operation";
import type { ISql } from "postgres";
import type { Applied, createActions } from "./actions.ts";

export interface ClaimedOperation extends SelectionScope {
  id: string;
  ratePerSecond: number | null;
}

/** For how long nobody else takes an operation over whose holder says nothing. */
const lease = "10 seconds";

/** The oldest operation that nobody is at. */
export async function claimOperation(
  sql: ISql,
  holder: string,
): Promise<ClaimedOperation | undefined> {
  const [row] = await sql<ClaimedOperation[]>`
    update operations set status = 'running', holder = ${holder}, lease_until = now() + ${lease}::interval
    where id = any(array(
      select id from operations
      where status in ('pending', 'running') and (lease_until is null or lease_until < now())
      order by id limit 1 for update skip locked))
    returning id, tenant, action, filter, reach, rate_per_second as "ratePerSecond", created_at as "createdBefore"`;
  return row;
}

export type Step =
  /** Somebody else has it, or it was stopped. */
  { status: "over" } | { status: "done" | "more"; seen: number; applied: Applied };

/** The next jobs, and how far the operation has come, in one transaction. */
export async function stepOn(
  sql: ISql,
  { operation, holder, size }: { operation: ClaimedOperation; holder: string; size: number },
  actions: ReturnType<typeof createActions>,
): Promise<Step> {
  const { id, action, filter } = operation;
  const [held] = await sql<{ cursor: string | null; isStopping: boolean }[]>`
    select cursor, is_stopping as "isStopping" from operations
    where id = ${id} and holder = ${holder} and status = 'running' for update`;
  if (held === undefined) return { status: "over" };
  if (held.isStopping) {
    await sql`update operations set status = 'stopped', ended_at = now() where id = ${id}`;
    return { status: "over" };
  }
  const page = await selectJobs(sql, operation, held.cursor, size);
  const seen = page.ids.length;
  const applied =
    seen === 0
      ? { changed: 0, failed: 0 }
      : await actions[action](sql, page.ids, statusOf(action, filter));
  const { changed, failed } = applied;
  // What the steps before changed is in Redis by now.
  const isDone = page.isLast && seen === 0;
  await sql`
    update operations set cursor = ${page.cursor}, seen = seen + ${seen}, changed = changed + ${changed},
      failed = failed + ${failed}, skipped = skipped + ${seen - changed - failed},
      lease_until = now() + ${lease}::interval,
      status = ${isDone ? "done" : "running"}, ended_at = case when ${isDone} then now() end
    where id = ${id}`;
  return { status: isDone ? "done" : "more", seen, applied };
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

/** Somebody else may go on with it now. */
export async function releaseOperation(sql: ISql, id: string, holder: string): Promise<void> {
  await sql`update operations set lease_until = now() where id = ${id} and holder = ${holder}`;
}
