import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import type { ChildCounts } from "@toril/contract/api/jobs/graph";
import { selectChildCounts } from "@toril/contract/engine/jobs/graph/read-children";
import { mayBeDeleted } from "@toril/contract/engine/postgres/retention-marks";
import { selectPage } from "../stores/page-bytes.ts";
import type { Reads } from "../stores/reads.ts";
import { requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** A job as Postgres has it. */
export type JobRow = Pick<
  JobColumns,
  | "id"
  | "tenant"
  | "type"
  | "queue"
  | "key"
  | "labels"
  | "schedule"
  | "importId"
  | "parentId"
  | "onFailure"
  | "waitingChildren"
  | "status"
  | "generation"
  | "data"
  | "options"
  | "result"
  | "error"
  | "attempts"
  | "createdAt"
  | "runAt"
  | "expiresAt"
  | "settledAt"
>;

/** A row with the columns that only requests for a single job return. */
export type JobDetailRow = JobRow &
  Pick<
    JobColumns,
    "startedAt" | "durationMs" | "worker" | "failures" | "log" | "history" | "callbackUrl"
  > & {
    childCounts: ChildCounts | null;
  };

export interface JobReader {
  find(tenant: string, id: string): Promise<JobDetailRow | undefined>;
  /** Returns why `find` returned nothing. */
  getMissingReason(tenant: string, id: string): Promise<"job-gone" | "job-not-found">;
  /** Reads the tenant's jobs among the ids, in the order of the ids, as far as they fit into a page. */
  findPage(tenant: string, ids: readonly string[], options: PageOptions): Promise<JobRowPage>;
}

export interface PageOptions {
  /** Leaves out data and results: both are null. */
  isPayloadOmitted: boolean;
}

export interface JobRowPage {
  rows: JobRow[];
  /** How many of the ids were read; the rest belongs to the next page. */
  read: number;
}

export function jobColumns(sql: ISql, { isPayloadOmitted = false } = {}) {
  return sql`
    jobs.id, jobs.tenant, type, queue, key, to_jsonb(labels) as labels, schedule, import_id as "importId", parent_id as "parentId", on_failure as "onFailure",
    waiting_children as "waitingChildren", status, generation, options, error, attempts,
    ${isPayloadOmitted ? sql`null as data, null as result` : sql`data, result`},
    created_at as "createdAt", run_at as "runAt", expires_at as "expiresAt", settled_at as "settledAt"`;
}

export async function findJobRow(
  sql: ISql,
  tenant: string,
  id: string,
): Promise<JobDetailRow | undefined> {
  const [row] = await sql<JobDetailRow[]>`
    select ${jobColumns(sql)}, started_at as "startedAt", duration_ms as "durationMs", worker, failures, log, history, callback_url as "callbackUrl",
           ${selectChildCounts(sql)} as "childCounts"
    from jobs where id = ${id} and tenant = ${tenant}`;
  return row;
}

export function createJobReader(reads: Reads): JobReader {
  return {
    find: (tenant, id) => reads.run(tenant, (sql) => findJobRow(sql, tenant, id)),
    getMissingReason: (tenant, id) =>
      reads.run(tenant, async (sql) =>
        (await mayBeDeleted(sql, "job", { tenant, id })) ? "job-gone" : "job-not-found",
      ),
    async findPage(tenant, ids, options) {
      if (ids.length === 0) return { rows: [], read: 0 };
      const sized = options.isPayloadOmitted ? ["error"] : ["data", "result", "error"];
      const rows = await reads.run(
        tenant,
        (sql) => sql<(JobRow | { id: null })[]>`
          with recursive ${selectPage(sql, { tenant, ids, sized })}
          select ${jobColumns(sql, options)}
          from page left join jobs on jobs.id = page.id and jobs.tenant = ${tenant}
          where page.at > 0 order by page.at`,
      );
      return { rows: rows.filter((row) => row.id !== null), read: rows.length };
    },
  };
}

/** Returns the job that a request names. Throws a problem if it does not exist or is not permitted. */
export async function requireJob(
  jobs: Pick<JobReader, "find" | "getMissingReason">,
  context: RequestContext,
  id: string,
): Promise<JobDetailRow> {
  const { tenant } = context.principal;
  const row = await jobs.find(tenant, id);
  if (row === undefined) throw new ProblemError(await jobs.getMissingReason(tenant, id));
  requirePermitted(context, row);
  return row;
}
