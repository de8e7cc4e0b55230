import type { OperationColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import { selectJobs, type SelectionScope } from "@toril/contract/engine/jobs/change/select";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { Operation, OperationPreview, OperationRequest } from "@toril/contract/api/operation";
import type { OperationOwner, OperationViewer } from "../http/caller.ts";
import type { AuditTrail } from "../audit/audit.ts";
import type { StoreEarlyResponse } from "../http/request-context.ts";
import { lockCreation, type TenantLedger } from "../stores/postgres.ts";
import { ProblemError } from "../http/problem.ts";
import type { Reads } from "../stores/reads.ts";

/** What is written in the transaction of a new operation. */
interface Alongside {
  storeResponse?: StoreEarlyResponse | undefined;
  trail?: AuditTrail;
}

export interface OperationLedger {
  create(
    maker: OperationOwner,
    request: OperationRequest,
    alongside?: Alongside,
  ): Promise<Operation>;
  /** Counts matches, up to 10,000 matches or 100,000 scanned jobs. */
  preview(maker: OperationOwner, request: OperationRequest): Promise<OperationPreview>;
  /** `hidden`: the operation covers jobs that the viewer may not see. */
  find(viewer: OperationViewer, id: string): Promise<Operation | "hidden" | undefined>;
  /** Lists the operations that the viewer may see, newest first. */
  list(viewer: OperationViewer, before: string | undefined, limit: number): Promise<Operation[]>;
  /** Has no effect if the operation has ended or the viewer may not see it. */
  stop(viewer: OperationViewer, id: string, trail: AuditTrail): Promise<void>;
}

const maxMatches = 10_000;
const maxPages = 20;
const pageSize = 5000;
/** Assumed clock skew between Postgres and this process. */
const maxSkewMs = 60_000;

export interface OperationLedgerDeps {
  ledger: TenantLedger;
  reads: Reads;
  /** Per tenant. */
  maxOpen: number;
}

export function createOperationLedger({
  ledger,
  reads,
  maxOpen,
}: OperationLedgerDeps): OperationLedger {
  return {
    create: (
      { tenant, restrictions, quotaKey },
      { action, filter, ratePerSecond },
      { storeResponse, trail } = {},
    ) =>
      inTransaction(ledger, tenant, async (sql) => {
        await requireFreeSlot(sql, tenant, maxOpen);
        const [row] = await sql<OperationRow[]>`
          insert into operations (id, tenant, action, filter, restrictions, rate_per_second, quota_key)
          values (${createJobId()}, ${tenant}, ${action}, ${JSON.stringify(filter)}::text::jsonb,
                  ${JSON.stringify(restrictions)}::text::jsonb, ${ratePerSecond ?? null}, ${quotaKey ?? null})
          returning ${selectColumns(sql)}`;
        if (row === undefined) throw new Error("the operation was not inserted");
        const operation = toOperation(row);
        await storeResponse?.(sql, {
          status: 202,
          headers: operationHeaders(operation),
          body: operation,
        });
        await trail?.done(sql);
        return operation;
      }),
    async preview({ tenant, restrictions }, { action, filter }) {
      const createdBefore = new Date(Date.now() + maxSkewMs);
      const scope: SelectionScope = { tenant, restrictions, action, filter, createdBefore };
      let matches = 0;
      let after: string | null = null;
      for (let pages = 0; pages < maxPages && matches < maxMatches; pages += 1) {
        const page = await reads.scan(tenant, (sql) => selectJobs(sql, scope, after, pageSize));
        matches += page.ids.length;
        if (page.isLast) return { dryRun: true, matches, isExact: true };
        after = page.cursor;
      }
      return { dryRun: true, matches, isExact: false };
    },
    find: ({ tenant, hidden }, id) =>
      reads.run(tenant, async (sql) => {
        const [row] = await sql<(OperationRow & { isVisible: boolean })[]>`
          select ${selectColumns(sql)}, ${isVisible(sql, hidden)} as "isVisible"
          from operations where id = ${id} and tenant = ${tenant}`;
        return row && (row.isVisible ? toOperation(row) : "hidden");
      }),
    list: ({ tenant, hidden }, before, limit) =>
      reads.run(tenant, async (sql) => {
        const rows = await sql<OperationRow[]>`
          select ${selectColumns(sql)} from operations
          where tenant = ${tenant} and ${isVisible(sql, hidden)} ${before ? sql`and id < ${before}` : sql``}
          order by id desc limit ${limit}`;
        return rows.map(toOperation);
      }),
    stop: ({ tenant, hidden }, id, trail) =>
      inTransaction(ledger, tenant, async (sql) => {
        // No consumer has claimed a pending operation, so it ends here.
        const { count } = await sql`
          update operations set is_stopping = true,
            status = case when status = 'pending' then 'stopped' else status end,
            ended_at = case when status = 'pending' then now() end
          where id = ${id} and tenant = ${tenant} and status in ('pending', 'running')
            and ${isVisible(sql, hidden)}`;
        if (count > 0) await trail.done(sql);
      }),
  };
}

/** Whether neither the filter nor the owner's restrictions include jobs of a hidden type. */
function isVisible(sql: ISql, hidden: OperationViewer["hidden"]) {
  return sql`not exists (
    select from unnest(
      ${hidden.map(({ type }) => type)}::text[], ${hidden.map(({ queue }) => queue)}::text[]
    ) as hidden (type, queue)
    where coalesce(filter ->> 'type', hidden.type) = hidden.type
      and coalesce(filter ->> 'queue', hidden.queue) = hidden.queue
      and coalesce(restrictions -> 'types' ? hidden.type, true)
      and coalesce(restrictions -> 'queues' ? hidden.queue, true))`;
}

function inTransaction<Result>(
  ledger: TenantLedger,
  tenant: string,
  work: (tx: ISql) => Promise<Result>,
) {
  return ledger.run(tenant, (sql) => sql.begin(work) as Promise<Result>);
}

async function requireFreeSlot(tx: ISql, tenant: string, maxOpen: number) {
  await lockCreation(tx, "operations", tenant);
  const [row] = await tx<{ open: number }[]>`
    select count(*)::int as open from operations
    where tenant = ${tenant} and status in ('pending', 'running')`;
  if (row !== undefined && row.open >= maxOpen) {
    throw new ProblemError(
      "too-many-operations",
      `A tenant may have at most ${maxOpen} open operations.`,
    );
  }
}

export function operationHeaders({ id }: Operation) {
  return { Location: `/v1/operations/${id}` };
}

type OperationRow = Pick<
  OperationColumns,
  | "id"
  | "action"
  | "filter"
  | "ratePerSecond"
  | "status"
  | "seen"
  | "changed"
  | "skipped"
  | "failed"
  | "error"
  | "createdAt"
  | "endedAt"
>;

function selectColumns(sql: ISql) {
  return sql`
    id, action, filter, rate_per_second as "ratePerSecond", status, seen, changed, skipped, failed, error,
    created_at as "createdAt", ended_at as "endedAt"`;
}

function toOperation({ seen, changed, skipped, failed, ...row }: OperationRow): Operation {
  const { id, action, filter, ratePerSecond, status, error, createdAt, endedAt } = row;
  return {
    id,
    action,
    filter,
    ratePerSecond,
    status,
    counts: { seen, changed, skipped, failed },
    error,
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}
