import type { ApiKeyColumns, OperationColumns } from "@toril/contract/engine/postgres/tables";
import { selectJobs, type SelectionScope } from "@toril/contract/engine/jobs/change/select";
import { getStatus } from "@toril/contract/api/operation";
import type { KeyQuota } from "@toril/contract/engine/quotas/key-quota";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { ISql } from "postgres";
import type { ActionResult, createActions } from "./actions.ts";

export type ClaimedOperation = SelectionScope &
  Pick<
    OperationColumns,
    "id" | "tenant" | "action" | "filter" | "restrictions" | "ratePerSecond" | "quotaKey"
  >;

/** Keeps row locks and Redis scripts short. */
const batchSize = 250;
/** Time after which another consumer may take over an operation whose holder is silent. */
const lease = "10 seconds";

/**
 * Claims an operation of the next tenant in round-robin order: the tenant's unclaimed operation that has waited
 * longest. An operation stays claimable by its own holder, so a failed step can be repeated.
 * @param after the tenant that had the previous turn
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
      returning id, tenant, action, filter, restrictions, rate_per_second as "ratePerSecond",
        quota_key as "quotaKey", created_at as "createdBefore"`;
    if (row !== undefined) return row;
  }
  return undefined;
}

/** Milliseconds until the next operation can be claimed; undefined when there is no active operation. */
export async function getMsUntilNextTurn(sql: ISql): Promise<number | undefined> {
  const [row] = await sql<{ ms: number | null }[]>`
    select ceil(extract(epoch from min(lease_until) - now()) * 1000)::float8 as ms from operations
    where status in ('pending', 'running')`;
  return row?.ms ?? undefined;
}

export type Step =
  /** The operation was stopped or taken over by another consumer. */
  | { status: "over" }
  /** A quota of the API key that created the operation is exhausted. */
  | { status: "full"; waitMs: number }
  | { status: "done" | "more"; seen: number; applied: ActionResult; waitMs: number };

export interface Turn {
  operation: ClaimedOperation;
  holder: string;
  /** Releases the quota reservation; call after the transaction has ended. */
  release(): void;
}

/** Processes the next batch of jobs and saves the operation's progress, in one transaction. */
export async function runStep(
  sql: ISql,
  turn: Turn,
  { actions, findQuota }: { actions: ReturnType<typeof createActions>; findQuota: FindQuota },
): Promise<Step> {
  const { operation, holder } = turn;
  const { id, action, filter, quotaKey, ratePerSecond } = operation;
  const [claimed] = await sql<Pick<OperationColumns, "cursor" | "isStopping">[]>`
    select cursor, is_stopping as "isStopping" from operations
    where id = ${id} and holder = ${holder} and status = 'running' for update`;
  if (claimed === undefined) return { status: "over" };
  if (claimed.isStopping) {
    await sql`update operations set status = 'stopped', ended_at = now() where id = ${id}`;
    return { status: "over" };
  }
  const page = await selectJobs(
    sql,
    operation,
    claimed.cursor,
    Math.min(batchSize, ratePerSecond ?? Infinity),
  );
  const quota = await getQuota(sql, operation, findQuota);
  const { granted, refusal } = (await quota?.reserveUpTo(page.ids.length)) ?? {
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
      : await actions[action](sql, ids, { status: getStatus(action, filter), quotaKey });
  const { changed, failed } = applied;
  // An empty last step marks the operation done: by then the changes of earlier steps are in Redis.
  const isDone = page.isLast && seen === 0;
  await sql`
    update operations set cursor = ${cursor}, seen = seen + ${seen}, changed = changed + ${changed},
      failed = failed + ${failed}, skipped = skipped + ${seen - changed - failed},
      status = ${isDone ? "done" : "running"}, ended_at = case when ${isDone} then now() end
    where id = ${id}`;
  return { status: isDone ? "done" : "more", seen, applied, waitMs };
}

/** Quota that applies to the operation: only a retry makes jobs pending, and only of an API key with quotas. */
async function getQuota(
  sql: ISql,
  { action, quotaKey }: ClaimedOperation,
  findQuota: FindQuota,
): Promise<KeyQuota | undefined> {
  if (action !== "retry" || quotaKey === null) return undefined;
  const [key] = await sql<Pick<ApiKeyColumns, "quotas">[]>`
    select quotas from api_keys where id = ${quotaKey}`;
  return key?.quotas ? findQuota(quotaKey, key.quotas) : undefined;
}

/** Marks an operation as failed. */
export async function failOperation(
  sql: ISql,
  { id, holder, error }: { id: string; holder: string; error: string },
): Promise<void> {
  await sql`
    update operations set status = 'failed', error = ${error}, ended_at = now()
    where id = ${id} and holder = ${holder} and status = 'running'`;
}

/** Releases an operation, which any consumer may claim again after `dueMs`. */
export async function releaseOperation(
  sql: ISql,
  { id, holder, dueMs }: { id: string; holder: string; dueMs: number },
): Promise<void> {
  await sql`
    update operations set holder = null, lease_until = now() + ${Math.max(0, dueMs)} * interval '1 millisecond'
    where id = ${id} and holder = ${holder}`;
}
