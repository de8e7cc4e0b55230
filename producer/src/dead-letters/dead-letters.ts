import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import { type Restrictions, whereRestricted } from "@toril/contract/engine/jobs/change/select";
import { parseHistory } from "@toril/contract/engine/jobs/change/retry";
import type {
  DeadLetter,
  DeadLetterSummary,
  InspectedDeadLetter,
} from "@toril/contract/api/jobs/dead-letter";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { labelTerm } from "@toril/contract/api/job-data/search-terms";
import { selectPage } from "../stores/page-bytes.ts";
import { type JobRow, jobColumns } from "../jobs/read-jobs.ts";
import type { Reads } from "../stores/reads.ts";
import { indexScanOnly, type JobSearch } from "../jobs/search-jobs.ts";
import { redactJobData } from "../jobs/shown-data.ts";

/** A row as lists return it: without its data. */
export type DeadLetterRow = Omit<JobRow, "data" | "result" | "settledAt"> &
  Pick<JobColumns, "reason"> & { settledAt: NonNullable<JobColumns["settledAt"]> };

export type InspectedRow = DeadLetterRow & Pick<JobColumns, "data" | "history">;

export interface DeadLetterFilter {
  tenant: string;
  /** Only dead letters older than the job with this id. */
  before?: string | undefined;
  type?: string | undefined;
  queue?: string | undefined;
  reason?: string | undefined;
  label?: string | undefined;
  restrictions: { queues: readonly string[] | undefined; types: readonly string[] | undefined };
}

export interface DeadLetterPage {
  rows: DeadLetterRow[];
  /** The next page starts after the job with this id; undefined on the last page. */
  next: string | undefined;
}

export interface DeadLetters {
  find(tenant: string, id: string): Promise<InspectedRow | undefined>;
  /** Newest first. */
  list(filter: DeadLetterFilter, limit: number): Promise<DeadLetterPage>;
  summarize(tenant: string, restrictions: Restrictions): Promise<DeadLetterSummary>;
  /** Returns those of the ids that are permitted dead letters. */
  findDead(
    tenant: string,
    restrictions: Restrictions,
    ids: readonly string[],
  ): Promise<ReadonlySet<string>>;
}

const maxGroups = 500;

/** @param maxCounted maximum index entries a summary counts, over all groups */
export function createDeadLetters(
  jobTypes: JobTypeRegistry,
  reads: Reads,
  search: JobSearch,
  { maxCounted = 100_000 } = {},
): DeadLetters {
  return {
    find: (tenant, id) =>
      reads.run(tenant, async (sql) => {
        const [row] = await sql<InspectedRow[]>`
          select ${jobColumns(sql)}, reason, history from jobs
          where id = ${id} and tenant = ${tenant} and status = 'dead'`;
        return row;
      }),
    async list({ tenant, before, label, ...filter }, limit) {
      const terms = label ? [labelTerm(label)] : [];
      const page = await search.find({ ...filter, tenant, terms, status: "dead" }, before, limit);
      const { ids } = page;
      if (ids.length === 0) return { rows: [], next: page.next };
      const rows = await reads.run(
        tenant,
        (sql) => sql<(DeadLetterRow | { id: null })[]>`
          with recursive ${selectPage(sql, { tenant, ids, sized: ["error"] })}
          select ${jobColumns(sql, { isPayloadOmitted: true })}, reason
          from page left join jobs on jobs.id = page.id and jobs.tenant = ${tenant} and status = 'dead'
          where page.at > 0 order by page.at`,
      );
      const next = rows.length < ids.length ? ids[rows.length - 1] : page.next;
      return { rows: rows.filter((row) => row.id !== null), next };
    },
    summarize: (tenant, restrictions) =>
      reads.scan(tenant, (pool) =>
        pool.begin("read only", async (sql) => {
          await indexScanOnly(sql);
          const groups = await listGroups(sql, tenant);
          const permitted = groups
            .slice(0, maxGroups)
            .filter(({ type }) => isPermittedType(jobTypes.forTenant(tenant), type, restrictions));
          const counted =
            permitted.length === 0
              ? []
              : await countGroups(sql, { tenant, groups: permitted, maxCounted });
          const sorted = counted.toSorted((one, other) => other.count - one.count);
          return { groups: sorted, isComplete: groups.length <= maxGroups };
        }),
      ),
    findDead: (tenant, restrictions, ids) =>
      reads.run(tenant, async (sql) => {
        const rows = await sql<Pick<JobColumns, "id">[]>`
          select id from jobs
          where id = any(${[...ids]}::uuid[]) and tenant = ${tenant} and status = 'dead' ${whereRestricted(sql, restrictions)}`;
        return new Set(rows.map(({ id }) => id));
      }),
  };
}

type Group = Pick<JobColumns, "type" | "reason">;

/** Compares the default queue of the type: adding the queue to the index would double the index's size. */
function isPermittedType(jobTypes: JobTypeRegistry, type: string, { queues, types }: Restrictions) {
  return (!types || types.includes(type)) && (!queues || queues.includes(jobTypes.getQueue(type)));
}

/** Lists the first groups by type and reason with a loose index scan, which reads a few index entries per group. */
function listGroups(sql: ISql, tenant: string): Promise<Group[]> {
  const first = (condition = sql<[]>``) => sql`(
    select type, reason from jobs where tenant = ${tenant} and status = 'dead' ${condition}
    order by type, reason limit 1)`;
  return sql<Group[]>`
    with recursive groups as (
      ${first()}
      union all
      select following.* from groups cross join lateral (
        ${first(sql<[]>`and type = groups.type and reason > groups.reason`)}
        union all
        ${first(sql<[]>`and type = groups.type and reason is null and groups.reason is not null`)}
        union all
        ${first(sql<[]>`and type > groups.type`)}
        limit 1
      ) as following
    )
    select type, reason from groups limit ${maxGroups + 1}`;
}

/** Counts each group, up to its share of `maxCounted`. */
async function countGroups(
  sql: ISql,
  { tenant, groups, maxCounted }: { tenant: string; groups: readonly Group[]; maxCounted: number },
) {
  const limit = Math.floor(maxCounted / groups.length);
  const count = (condition: ReturnType<typeof sql<[]>>) => sql`(
    select count(*) from (
      select from jobs where tenant = ${tenant} and status = 'dead' and type = requested.type and ${condition}
      limit ${limit + 1}
    ) as counted)`;
  const rows = await sql<(Group & { count: number })[]>`
    select type, reason, (
      case when requested.reason is null
        then ${count(sql<[]>`reason is null`)} else ${count(sql<[]>`reason = requested.reason`)} end
    )::int as count
    from unnest(
      ${groups.map(({ type }) => type)}::text[], ${groups.map(({ reason }) => reason)}::text[]
    ) as requested (type, reason)`;
  return rows.map((row) => ({
    ...row,
    count: Math.min(row.count, limit),
    isExact: row.count <= limit,
  }));
}

export function toDeadLetter(row: DeadLetterRow): DeadLetter {
  const { id, type, queue, key, importId, schedule, labels, reason, error } = row;
  return {
    id,
    type,
    queue,
    key,
    importId,
    schedule,
    labels: labels ?? [],
    reason,
    error,
    attempts: { made: row.attempts, max: row.options.attempts },
    createdAt: row.createdAt.toISOString(),
    settledAt: row.settledAt.toISOString(),
  };
}

export function toInspectedDeadLetter(
  jobTypes: JobTypeRegistry,
  row: InspectedRow,
): InspectedDeadLetter {
  return {
    ...toDeadLetter(row),
    data: redactJobData(jobTypes, row),
    history: parseHistory(row.history),
  };
}
