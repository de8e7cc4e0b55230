import type { DedupWindowColumns, JobColumns } from "./tables.ts";
import type { ISql, Sql } from "postgres";
import type { CancelledJob } from "../jobs/change/cancel.ts";
import { keyIdentity, type NewJob, type ExistingJob } from "../jobs/enqueue/new-job.ts";
import { isUniqueViolation } from "./errors.ts";
import { insertion } from "./insertion.ts";
import { isPendingWithKey } from "./pending-key.ts";
import { findReplaced, replaceWaiting, type RemoveWaiting } from "./replace.ts";

export type InsertOutcome =
  | { status: "created"; createdAt: string; replaced?: CancelledJob | undefined }
  | { status: "duplicate"; job: ExistingJob };

/** How often an entry is retried if its duplicate ends between the insert and the lookup. */
const maxRounds = 5;

/**
 * Inserts jobs without keys. They conflict only with themselves, if a COMMIT is repeated after its reply was lost.
 * @returns when the jobs were recorded, by Postgres' clock, in ISO 8601
 */
export async function insertJobs(sql: ISql, jobs: readonly NewJob[]): Promise<string> {
  const [row] = await sql<{ now: Date; count: number }[]>`
    with inserted as (${insertion(sql, jobs)} on conflict do nothing returning id)
    ${hasTerms(jobs) ? sql`, ${naming(sql, jobs)}` : sql``}
    select now(), (select count(*)::int from inserted) as count`;
  if (row?.count === jobs.length) return row.now.toISOString();
  // A separate statement: the insert's snapshot may not include the transaction that it waited for.
  const ids = jobs.map((job) => job.id);
  const [recorded] = await sql<Pick<JobColumns, "createdAt">[]>`
    select created_at as "createdAt" from jobs where id = any(${ids}::uuid[]) limit 1`;
  if (recorded === undefined) throw new Error("a job was neither inserted nor recorded before");
  return recorded.createdAt.toISOString();
}

const maxPartJobs = 500;
const maxPartLength = 1_000_000;

/** Splits jobs into parts, in order: one statement for all would hold the data four times in memory. */
export function* partsOf(jobs: readonly NewJob[]): Generator<readonly NewJob[]> {
  let start = 0;
  let length = 0;
  for (const [index, { data }] of jobs.entries()) {
    length += data.length;
    if (index > start && (length > maxPartLength || index - start === maxPartJobs)) {
      yield jobs.slice(start, index);
      start = index;
      length = data.length;
    }
  }
  if (start < jobs.length) yield jobs.slice(start);
}

/**
 * Inserts jobs like `insertJobs`, but cheaper: `on conflict` adds a fifth to the cost of an insert. Not for use in a
 * transaction, which the first conflict would abort.
 */
export async function insertNewJobs(sql: Sql, jobs: readonly NewJob[]): Promise<string> {
  try {
    const insert = insertion(sql, jobs);
    const terms = hasTerms(jobs);
    const [row] = await sql<{ now: Date }[]>`
      with inserted as (${insert} ${terms ? sql`returning id` : sql``})
      ${terms ? sql`, ${naming(sql, jobs)}` : sql``} select now()`;
    return (row?.now ?? new Date()).toISOString();
  } catch (error) {
    if (isUniqueViolation(error)) return insertJobs(sql, jobs);
    throw error;
  }
}

/**
 * Inserts jobs of which some have keys. Returns one outcome per job, in order: `duplicate` if a pending job of the same
 * tenant, type and key exists and is not replaced, or if the key's deduplication window is open. Call it in a
 * transaction; waits for transactions that insert the same key.
 */
export async function insertKeyedJobs(
  sql: ISql,
  jobs: readonly NewJob[],
  removeWaiting: RemoveWaiting,
): Promise<InsertOutcome[]> {
  const outcomes = new Map<string, InsertOutcome>();
  const replaced = new Map<string, CancelledJob>();
  const laterOf = findReplaced(jobs);
  // Sorted the same way everywhere, so that two batches rarely deadlock.
  const sorted = jobs.filter((job) => !laterOf.has(job)).toSorted(byKeyIdentity);
  const windowed = sorted.filter((job) => job.dedupWindowMs !== null);
  if (windowed.length > 0) await takeWindows(sql, windowed, outcomes);
  let open: readonly NewJob[] = sorted.filter((job) => !outcomes.has(job.id));
  for (let round = 0; open.length > 0; round += 1) {
    if (round === maxRounds) throw new Error("a key ended and was taken again too often");
    for (const part of partsOf(open)) {
      for (const { id, createdAt } of await insertFree(sql, part)) {
        const at = createdAt.toISOString();
        outcomes.set(id, { status: "created", createdAt: at, replaced: replaced.get(id) });
      }
    }
    open = open.filter((job) => !outcomes.has(job.id));
    const replacing = open.filter((job) => job.replacesWaiting);
    const ended = replacing.length > 0 ? await replaceWaiting(sql, replacing, removeWaiting) : none;
    for (const [by, run] of ended) replaced.set(by, run);
    const rest = open.filter((job) => !ended.has(job.id));
    if (rest.length > 0) await lookUp(sql, rest, outcomes);
    open = open.filter((job) => !outcomes.has(job.id));
  }
  const untaken = windowed.filter((job) => outcomes.get(job.id)?.status === "duplicate");
  if (untaken.length > 0) await giveWindowsBack(sql, untaken);
  return jobs.map((job) => {
    const later = laterOf.get(job);
    const outcome = later ? asDuplicate(later, outcomes.get(later.id)) : outcomes.get(job.id);
    if (outcome === undefined) throw new Error("an entry has no outcome");
    return outcome;
  });
}

const none: ReadonlyMap<string, CancelledJob> = new Map();

function asDuplicate(job: NewJob, outcome: InsertOutcome | undefined): InsertOutcome | undefined {
  if (outcome?.status !== "created") return outcome;
  const { createdAt } = outcome;
  return { status: "duplicate", job: { ...job, status: "pending", createdAt } };
}

/** Whether at least one of these jobs is recorded already. */
export async function isAnyRecorded(sql: ISql, jobs: readonly NewJob[]): Promise<boolean> {
  const ids = jobs.map((job) => job.id);
  const [row] = await sql`select from jobs where id = any(${ids}::uuid[]) limit 1`;
  return row !== undefined;
}

/** Opens deduplication windows; a job whose window belongs to another existing job becomes a `duplicate`. */
async function takeWindows(
  sql: ISql,
  jobs: readonly NewJob[],
  outcomes: Map<string, InsertOutcome>,
) {
  // The first job with a key wins: one statement cannot upsert the same key twice.
  const first = new Map(jobs.toReversed().map((job) => [keyIdentity(job), job]));
  const asked = jobs.filter((job) => first.get(keyIdentity(job)) === job);
  const taken = await upsertWindows(sql, asked, false);
  const own = new Set(taken.map(({ jobId }) => jobId));
  const others = jobs.filter((job) => !own.has(job.id));
  if (others.length === 0) return;
  const standing = await sql<(ExistingRow & { ownId: string })[]>`
    select asked.id as "ownId", ${standingColumns(sql)}
    from unnest(
      ${others.map((job) => job.id)}::uuid[], ${others.map((job) => job.tenant)}::text[],
      ${others.map((job) => job.type)}::text[], ${others.map((job) => job.key)}::text[]
    ) as asked (id, tenant, type, key)
    cross join lateral (
      select job_id from dedup_windows as w
      where w.tenant = asked.tenant and w.type = asked.type and w.key = asked.key offset 0
    ) as taken
    cross join lateral (select * from jobs where jobs.id = taken.job_id offset 0) as found`;
  for (const row of standing) outcomes.set(row.ownId, toDuplicate(row));
  // The first statement locked these windows, and their jobs are deleted.
  const orphaned = asked.filter((job) => !own.has(job.id) && !outcomes.has(job.id));
  if (orphaned.length > 0) await upsertWindows(sql, orphaned, true);
}

/**
 * Opens windows that are free, have expired or belong to the job already; all of them if `isLocked`. Locks the windows
 * of the others. Whether the job of a window exists is decided by a later statement: the snapshot of this one does not
 * include a transaction that it waited for.
 */
function upsertWindows(sql: ISql, jobs: readonly NewJob[], isLocked: boolean) {
  return sql<Pick<DedupWindowColumns, "jobId">[]>`
    insert into dedup_windows as w (tenant, type, key, job_id, until)
    select tenant, type, key, id, now() + ms * interval '1 millisecond'
    from unnest(
      ${jobs.map((job) => job.tenant)}::text[], ${jobs.map((job) => job.type)}::text[],
      ${jobs.map((job) => job.key)}::text[], ${jobs.map((job) => job.id)}::uuid[],
      ${jobs.map((job) => String(job.dedupWindowMs))}::text[]::bigint[]
    ) as asked (tenant, type, key, id, ms)
    on conflict (tenant, type, key) do update set job_id = excluded.job_id, until = excluded.until
    where ${isLocked} or w.until <= now() or w.job_id = excluded.job_id
    returning job_id as "jobId"`;
}

/** Closes the windows of duplicates: the existing job is pending without a window, and its key is free when it ends. */
async function giveWindowsBack(sql: ISql, jobs: readonly NewJob[]) {
  await sql`
    delete from dedup_windows where ctid = any(array(
      select taken.ctid
      from unnest(
        ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
        ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
      ) as asked (id, tenant, type, key)
      cross join lateral (
        select w.ctid from dedup_windows as w
        where w.tenant = asked.tenant and w.type = asked.type and w.key = asked.key and w.job_id = asked.id
        offset 0
      ) as taken))`;
}

// A separate statement: the insert's snapshot does not include the transaction that it waited for.
async function lookUp(sql: ISql, jobs: readonly NewJob[], outcomes: Map<string, InsertOutcome>) {
  const standing = await sql<(ExistingRow & { ownId: string })[]>`
    select asked.id as "ownId", ${standingColumns(sql)}
    from unnest(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
      ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
    ) as asked (id, tenant, type, key)
    cross join lateral (
      select * from jobs where jobs.id = asked.id
      union all
      (select * from jobs where ${isPendingWithKey(sql, sql<[]>`asked`)} and jobs.id <> asked.id
       order by type, key limit 1)
    ) as found`;
  for (const { ownId, ...row } of standing) {
    if (row.id !== ownId) outcomes.set(ownId, toDuplicate(row));
    else outcomes.set(ownId, { status: "created", createdAt: row.createdAt.toISOString() });
  }
}

type ExistingRow = Pick<
  JobColumns,
  "id" | "type" | "queue" | "key" | "status" | "createdAt" | "runAt"
>;

function standingColumns(sql: ISql) {
  return sql`
    found.id, found.type, found.queue, found.key, found.status, found.created_at as "createdAt",
    found.run_at as "runAt"`;
}

function toDuplicate({
  id,
  type,
  queue,
  key,
  status,
  createdAt,
  runAt,
}: ExistingRow): InsertOutcome {
  const job = { id, type, queue, key, status, createdAt: createdAt.toISOString(), runAt };
  return { status: "duplicate", job };
}

function byKeyIdentity(a: NewJob, b: NewJob) {
  return (
    compare(a.key ?? "", b.key ?? "") || compare(a.type, b.type) || compare(a.tenant, b.tenant)
  );
}

function compare(a: string, b: string) {
  return a === b ? 0 : a < b ? -1 : 1;
}

type InsertedRow = Pick<JobColumns, "id" | "createdAt">;

/** Inserts the jobs that conflict with none. */
function insertFree(sql: ISql, jobs: readonly NewJob[]) {
  const insert = sql<InsertedRow[]>`
    ${insertion(sql, jobs)} on conflict do nothing returning id, created_at as "createdAt"`;
  if (!hasTerms(jobs)) return insert;
  return sql<InsertedRow[]>`
    with inserted as (${insert}), ${naming(sql, jobs)} select id, "createdAt" from inserted`;
}

function hasTerms(jobs: readonly NewJob[]) {
  return jobs.some((job) => job.terms !== null);
}

/** Inserts the search terms of the inserted jobs. */
function naming(sql: ISql, jobs: readonly NewJob[]) {
  const rows = jobs.flatMap(({ id, tenant, terms }) =>
    (terms ?? []).map((term) => ({ id, tenant, term })),
  );
  return sql`
    named as (
      insert into job_terms (tenant, term, job_id)
      select tenant, term, t.id
      from unnest(
        ${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ tenant }) => tenant)}::text[],
        ${rows.map(({ term }) => term)}::text[]
      ) as t (id, tenant, term) join inserted using (id)
    )`;
}
