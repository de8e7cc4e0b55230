import type { JobStatus } from "@toril/contract/api/jobs/job-states";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ISql, PendingQuery } from "postgres";

export interface JobFilter {
  tenant: string;
  type?: string | undefined;
  queue?: string | undefined;
  status?: JobStatus | undefined;
  key?: string | undefined;
  /** Search terms as contract's terms.ts builds them; jobs must match all of them. */
  terms: readonly string[];
  importId?: string | undefined;
  /** Matches dead jobs only. */
  reason?: string | undefined;
  /** Matches only jobs among these. */
  ids?: readonly string[] | undefined;
  /** Matches pending jobs that wait for their children only. */
  isWaitingForChildren?: boolean;
  createdAfter?: Date | undefined;
  createdBefore?: Date | undefined;
  /** Restricts the search to these queues and these types. */
  restrictions: { queues: readonly string[] | undefined; types: readonly string[] | undefined };
}

type Fragment = PendingQuery<[]>;

/** Ids from `start` (inclusive) to `end` (exclusive). */
export interface Span {
  start: string;
  end: string;
}

/** An index to search, ordered by id, newest first. */
export interface Source {
  /** Returns the matching ids among the entries that a page may scan. */
  ids(tail: Fragment): Fragment;
  /** Returns the last entry that a page may scan, if there are more entries; missing if every entry matches. */
  floor?(unless: Fragment): Fragment;
}

/** Maximum index entries scanned per page; the rest belongs to the next page. */
const maxScanned = 10_000;

/** Returns disjoint sources that together cover every job of the filter. */
export function toSources(
  sql: ISql,
  filter: JobFilter,
  span: Span,
  getTypes: JobTypeRegistry["getTypes"],
): Source[] {
  const { tenant, terms, key, importId, reason, status, type, queue, restrictions } = filter;
  const { ids, isWaitingForChildren } = filter;
  const { start, end } = span;
  const [term, ...otherTerms] = terms;
  const conditions: Record<string, Fragment | undefined> = {
    tenant: sql`and jobs.tenant = ${tenant}`,
    key: key === undefined ? undefined : sql`and jobs.key = ${key}`,
    importId: importId === undefined ? undefined : sql`and jobs.import_id = ${importId}`,
    reason: reason === undefined ? undefined : sql`and jobs.reason = ${reason}`,
    status: status && isStatus(sql, status),
    waitingChildren: isWaitingForChildren ? sql`and jobs.waiting_children` : undefined,
    type: type === undefined ? undefined : sql`and jobs.type = ${type}`,
    queue: queue === undefined ? undefined : sql`and jobs.queue = ${queue}`,
    queues: restrictions.queues && sql`and jobs.queue = any(${[...restrictions.queues]}::text[])`,
    types: restrictions.types && sql`and jobs.type = any(${[...restrictions.types]}::text[])`,
  };
  /** Returns the conditions that the index does not cover. */
  const getOtherConditions = (indexed: readonly string[], requiredTerms: readonly string[]) => [
    ...Object.entries(conditions).flatMap(([name, condition]) =>
      condition === undefined || indexed.includes(name) ? [] : [condition],
    ),
    ...requiredTerms.map((name) => hasTerm(sql, tenant, name)),
  ];
  const scanInOrder = (indexed: readonly Fragment[], rest: readonly Fragment[]): Source =>
    scan(
      sql,
      rest,
      (tail) => sql<[]>`
      select * from jobs where id < ${end} and id >= ${start} ${joinConditions(sql, indexed)} order by id desc ${tail}`,
    );
  const fromIndex = (...indexed: string[]) =>
    scanInOrder(
      indexed.flatMap((name) => conditions[name] ?? []),
      getOtherConditions(indexed, terms),
    );

  if (ids !== undefined) {
    const listed = (tail: Fragment) => sql<[]>`
      select jobs.id from ${toValues(sql, ids)} as listed (id)
      cross join lateral (select * from jobs where jobs.id = listed.id::uuid offset 0) as jobs
      where jobs.id < ${end} and jobs.id >= ${start} ${joinConditions(sql, getOtherConditions([], terms))}
      order by jobs.id desc ${tail}`;
    return [{ ids: listed }];
  }
  if (key !== undefined) return [fromIndex("tenant", "key")];
  if (term !== undefined) {
    const withTerm = scan(
      sql,
      getOtherConditions(["tenant"], otherTerms),
      (tail) => sql<[]>`
      select jobs.* from job_terms as term join jobs on jobs.id = term.job_id
      where term.tenant = ${tenant} and term.term = ${term}
        and term.job_id < ${end} and term.job_id >= ${start}
      order by term.job_id desc ${tail}`,
    );
    return [withTerm];
  }
  if (importId !== undefined) return [fromIndex("importId")];
  if (isWaitingForChildren) return [fromIndex("status", "waitingChildren")];
  if (status === "pending") return [fromIndex("status")];
  if (status === "dead" && type !== undefined && reason !== undefined) {
    const deadOfReason = scanEach(sql, span, {
      by: "reason",
      values: toValues(sql, [reason]),
      indexed: sql<[]>`tenant = ${tenant} and status = 'dead' and type = ${type}`,
      rest: getOtherConditions(["tenant", "status", "type", "reason"], []),
    });
    return [deadOfReason];
  }
  if (status !== undefined && status !== "completed") return [fromIndex("tenant", "status")];
  const requestedType = type === undefined ? undefined : [type];
  const types =
    requestedType ?? restrictions.types ?? (queue === undefined ? undefined : getTypes(queue));
  const completed = scanEach(sql, span, {
    by: "type",
    values: types ? toValues(sql, types) : completedTypes(sql, tenant),
    indexed: sql<[]>`tenant = ${tenant} and status = 'completed'`,
    rest: getOtherConditions(["tenant", "status", type === undefined ? "types" : "type"], []),
  });
  if (status === "completed") return [completed];
  const others = scanEach(sql, span, {
    by: "status",
    values: toValues(sql, ["dead", "cancelled", "expired"]),
    indexed: sql<[]>`tenant = ${tenant} and status in ('dead', 'cancelled', 'expired')`,
    rest: getOtherConditions(["tenant"], []),
  });
  return [scanInOrder([isStatus(sql, "pending")], getOtherConditions([], [])), completed, others];
}

function scan(sql: ISql, rest: readonly Fragment[], entries: (tail: Fragment) => Fragment): Source {
  if (rest.length === 0)
    return { ids: (tail) => sql<[]>`select id from (${entries(tail)}) as jobs` };
  return {
    ids: (tail) => sql<[]>`
      select id from (${entries(sql<[]>`limit ${maxScanned + 1}`)}) as jobs
      where true ${joinConditions(sql, rest)} order by id desc ${tail}`,
    floor: (condition) => sql<[]>`
      select id, true from (${entries(sql<[]>`offset ${maxScanned} limit 1`)}) as jobs where not ${condition}`,
  };
}

interface ScanEach {
  by: "type" | "status" | "reason";
  values: Fragment;
  indexed: Fragment;
  rest: readonly Fragment[];
}

/** Scans every value as far as a whole page, because one value alone may fill the page. */
function scanEach(
  sql: ISql,
  { start, end }: Span,
  { by, values, indexed, rest }: ScanEach,
): Source {
  // Only the intended index has this order: ordered by id alone, the scan could walk all other jobs, too.
  const order = sql<[]>`order by ${sql(by)} desc, id desc`;
  const entries = (tail: Fragment) => sql<[]>`
    select * from jobs
    where ${indexed} and (${sql(by)}, id) < (each.value, ${end}::uuid) and (${sql(by)}, id) >= (each.value, ${start}::uuid)
    ${order} ${tail}`;
  const selectPerValue = (query: Fragment, tail: Fragment) => sql<[]>`
    select jobs.id from ${values} as each (value) cross join lateral (${query}) as jobs order by jobs.id desc ${tail}`;
  if (rest.length === 0) return { ids: (tail) => selectPerValue(entries(tail), tail) };
  const matching = (tail: Fragment) => sql<[]>`
    select id from (${entries(sql<[]>`limit ${maxScanned + 1}`)}) as jobs where true ${joinConditions(sql, rest)} ${order} ${tail}`;
  const floor = selectPerValue(entries(sql<[]>`offset ${maxScanned} limit 1`), sql<[]>`limit 1`);
  return {
    ids: (tail) => selectPerValue(matching(tail), tail),
    floor: () => sql<[]>`select id, true from (${floor}) as jobs`,
  };
}

function joinConditions(sql: ISql, conditions: readonly Fragment[]): Fragment {
  return conditions.length === 0 ? sql`` : sql`${[...conditions]}`;
}

/** Literals, because a generic plan cannot use a partial index for a parameter. */
function isStatus(sql: ISql, status: JobStatus): Fragment {
  if (status === "pending") return sql`and jobs.status = 'pending'`;
  if (status === "dead") return sql`and jobs.status = 'dead'`;
  if (status === "cancelled") return sql`and jobs.status = 'cancelled'`;
  if (status === "expired") return sql`and jobs.status = 'expired'`;
  return sql`and jobs.status = 'completed'`;
}

function hasTerm(sql: ISql, tenant: string, term: string): Fragment {
  return sql`and exists (
    select from job_terms as named
    where named.tenant = ${tenant} and named.term = ${term} and named.job_id = jobs.id)`;
}

function toValues(sql: ISql, values: readonly string[]): Fragment {
  return sql`unnest(${[...values]}::text[])`;
}

/** Lists the types of the tenant's completed jobs with a loose index scan: one index entry per type. */
function completedTypes(sql: ISql, tenant: string): Fragment {
  return sql`(
    with recursive types as (
      (select type from jobs where tenant = ${tenant} and status = 'completed' order by type limit 1)
      union all
      select (
        select type from jobs
        where tenant = ${tenant} and status = 'completed' and jobs.type > types.type order by type limit 1
      ) from types where types.type is not null
    )
    select type from types where type is not null)`;
}
