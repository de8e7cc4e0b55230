import type { JobStatus } from "@toril/contract/job";
import { typesOf } from "@toril/contract/jobs";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { ISql, PendingQuery } from "postgres";
import { jobColumns, type JobRow } from "./read-jobs.ts";

export interface JobFilter {
  tenant: string;
  type?: string | undefined;
  queue?: string | undefined;
  status?: JobStatus | undefined;
  key?: string | undefined;
  /** All of them, as contract's terms.ts makes them. */
  terms: readonly string[];
  importId?: string | undefined;
  createdAfter?: Date | undefined;
  createdBefore?: Date | undefined;
  /** Only jobs of these queues and of these types. */
  reach: { queues: readonly string[] | undefined; types: readonly string[] | undefined };
}

export interface FoundJobs {
  rows: JobRow[];
  /** The next page has what is older than the job with this id; undefined on the last page. */
  next: string | undefined;
}

export interface JobSearch {
  /** Newest first. @param before older than the job with this id */
  find(filter: JobFilter, before: string | undefined, limit: number): Promise<FoundJobs>;
}

type Fragment = PendingQuery<[]>;

/** Ids from `start` on and below `end`. */
interface Span {
  start: string;
  end: string;
}

/** Where jobs are looked for: an index in the order of ids. */
interface Source {
  /** The ids of jobs, newest first; `tail` limits them. */
  ids(span: Span, rest: readonly Fragment[], tail: Fragment): Fragment;
  /** What the index cannot tell of the filter. */
  rest: Fragment[];
  /** Less than `maxScanned`, where nearly all of the entries match. */
  mostScanned?: number;
}

/** How many index entries are looked at for a page; further ones are another page's. */
const maxScanned = 10_000;
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** What a page costs depends on what it holds, not on how much there is. */
export function createJobSearch(ledger: Ledger): JobSearch {
  return {
    find: (filter, before, limit) =>
      ledger.run(async (sql) => {
        const sources = sourcesOf(sql, filter);
        const { createdAfter, createdBefore } = filter;
        const end = lesser(before ?? highest, createdBefore ? firstIdOf(createdBefore) : highest);
        const start = createdAfter ? firstIdOf(createdAfter) : lowest;
        const span = { start, end };
        let floor: string | undefined;
        for (const source of sources) {
          if (source.rest.length > 0) floor = greater(floor, await findFloor(sql, source, span));
        }
        // One more than asked tells whether there is a next page.
        const tail = sql<[]>`limit ${limit + 1}`;
        const ids = sources.map(({ ids, rest }, at) => {
          const some = ids({ start: floor ?? start, end }, rest, tail);
          return at === 0 ? sql`(${some})` : sql` union all (${some})`;
        });
        const found = await sql<JobRow[]>`
          select ${jobColumns(sql)}
          from (select id from (${ids}) as one order by id desc ${tail}) as found
          join jobs using (id) order by id desc`;
        const rows = found.slice(0, limit);
        return { rows, next: found.length > limit ? rows.at(-1)?.id : floor };
      }),
  };
}

/** The last entry that this page looks at, when there are more. */
async function findFloor(sql: ISql, { ids, mostScanned = maxScanned }: Source, span: Span) {
  const [row] = await sql<{ id: string }[]>`
    select id from (${ids(span, [], sql`offset ${mostScanned} limit 1`)}) as found limit 1`;
  return row?.id;
}

/** Together they have every job of the filter, and none has one of another. */
function sourcesOf(sql: ISql, filter: JobFilter): Source[] {
  const { tenant, terms, key, importId, status, type, queue, reach } = filter;
  const [term, ...otherTerms] = terms;
  const conditions: Record<string, Fragment | undefined> = {
    tenant: sql`and jobs.tenant = ${tenant}`,
    key: key === undefined ? undefined : sql`and jobs.key = ${key}`,
    importId: importId === undefined ? undefined : sql`and jobs.import_id = ${importId}`,
    status: status && isStatus(sql, status),
    type: type === undefined ? undefined : sql`and jobs.type = ${type}`,
    queue: queue === undefined ? undefined : sql`and jobs.queue = ${queue}`,
    queues: reach.queues && sql`and jobs.queue = any(${[...reach.queues]}::text[])`,
    types: reach.types && sql`and jobs.type = any(${[...reach.types]}::text[])`,
  };
  /** All but what the index tells. */
  const restOf = (told: readonly string[], named: readonly string[]) => [
    ...Object.entries(conditions).flatMap(([name, condition]) =>
      condition === undefined || told.includes(name) ? [] : [condition],
    ),
    ...named.map((name) => isNamed(sql, tenant, name)),
  ];
  const walk =
    (told: readonly Fragment[]): Source["ids"] =>
    ({ start, end }, rest, tail) =>
      sql`
      select id from jobs
      where id < ${end} and id >= ${start} ${all(sql, told)} ${all(sql, rest)}
      order by id desc ${tail}`;
  const fromIndex = (told: readonly string[]): Source => ({
    ids: walk(told.flatMap((name) => conditions[name] ?? [])),
    rest: restOf(told, terms),
  });

  if (key !== undefined) return [fromIndex(["tenant", "key"])];
  if (term !== undefined) {
    const named: Source = {
      ids: ({ start, end }, rest, tail) => sql`
        select term.job_id as id from job_terms as term join jobs on jobs.id = term.job_id
        where term.tenant = ${tenant} and term.term = ${term}
          and term.job_id < ${end} and term.job_id >= ${start} ${all(sql, rest)}
        order by term.job_id desc ${tail}`,
      rest: restOf(["tenant"], otherTerms),
    };
    return [named];
  }
  if (importId !== undefined) return [fromIndex(["importId"])];
  if (status === "pending") return [fromIndex(["status"])];
  if (status !== undefined && status !== "completed") return [fromIndex(["tenant", "status"])];
  const one = type === undefined ? undefined : [type];
  const types = one ?? reach.types ?? (queue === undefined ? undefined : typesOf(queue));
  const ended: Source = {
    ids: ({ start, end }, rest, tail) => sql`
      select jobs.id from ${types ? among(sql, types) : standing(sql, tenant)} as of
      cross join lateral (
        select id from jobs
        where jobs.tenant = ${tenant} and jobs.type = of.type and jobs.status <> 'pending'
          and id < ${end} and id >= ${start} ${all(sql, rest)}
        order by id desc ${tail}
      ) as jobs order by id desc`,
    rest: restOf(["tenant", type === undefined ? "types" : "type"], []),
  };
  if (status === "completed") return [{ ...ended, mostScanned: 1000 }];
  return [{ ids: walk([isStatus(sql, "pending")]), rest: restOf([], []) }, ended];
}

function all(sql: ISql, conditions: readonly Fragment[]): Fragment {
  return conditions.length === 0 ? sql`` : sql`${[...conditions]}`;
}

/** Written out: a plan that is made for any value uses no index that is made for some. */
function isStatus(sql: ISql, status: JobStatus): Fragment {
  if (status === "pending") return sql`and jobs.status = 'pending'`;
  if (status === "dead") return sql`and jobs.status = 'dead'`;
  if (status === "cancelled") return sql`and jobs.status = 'cancelled'`;
  if (status === "expired") return sql`and jobs.status = 'expired'`;
  return sql`and jobs.status = 'completed'`;
}

function isNamed(sql: ISql, tenant: string, term: string): Fragment {
  return sql`and exists (
    select from job_terms as named
    where named.tenant = ${tenant} and named.term = ${term} and named.job_id = jobs.id)`;
}

function among(sql: ISql, types: readonly string[]): Fragment {
  return sql`(select unnest(${[...types]}::text[]) as type)`;
}

/** Every type that the tenant has jobs of that ended, from one index entry each. */
function standing(sql: ISql, tenant: string): Fragment {
  return sql`(
    with recursive types as (
      (select type from jobs where tenant = ${tenant} and status <> 'pending' order by type limit 1)
      union all
      select (
        select type from jobs
        where tenant = ${tenant} and status <> 'pending' and jobs.type > types.type order by type limit 1
      ) from types where types.type is not null
    )
    select type from types where type is not null)`;
}

function greater(one: string | undefined, other: string | undefined) {
  return one === undefined || (other !== undefined && other > one) ? other : one;
}

function lesser(one: string, other: string) {
  return one < other ? one : other;
}

/** Before every id that was made at this time: theirs begin with it. */
function firstIdOf(time: Date): string {
  const ms = Math.max(0, time.getTime()).toString(16).padStart(12, "0");
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-8000-000000000000`;
}
