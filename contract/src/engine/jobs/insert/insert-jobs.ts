import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql, Sql } from "postgres";
import type { CancelledJob } from "../change/cancel.ts";
import type { NewJob } from "../enqueue/new-job.ts";
import { isUniqueViolation } from "../../postgres/errors.ts";
import { type AddParameter, runStatement } from "../../postgres/statement.ts";
import { insertStatement } from "./insert-statement.ts";
import { closeWindows, openWindows } from "./dedup-windows.ts";
import { findExisting, type InsertOutcome } from "./find-existing.ts";
import { findReplaced, replaceWaiting, type RemoveWaiting } from "./replace-waiting.ts";

/** How often an entry is retried if its duplicate ends between the insert and the lookup. */
const maxRounds = 5;

/**
 * Inserts jobs without keys. They conflict only with themselves, if a COMMIT is repeated after its reply was lost.
 * @returns when the jobs were recorded, by Postgres' clock, in ISO 8601
 */
export async function insertJobs(sql: ISql, jobs: readonly NewJob[]): Promise<string> {
  const [row] = await runStatement<{ now: Date; count: number }>(
    sql,
    (add) => `
    with inserted as (${insertStatement(add, jobs)} on conflict do nothing returning id)
    ${hasTerms(jobs) ? `, ${insertTerms(add, jobs)}` : ""}
    select now(), (select count(*)::int from inserted) as count`,
  );
  if (row?.count === jobs.length) return row.now.toISOString();
  // A separate statement: the insert's snapshot may not include the transaction that it waited for.
  const ids = jobs.map((job) => job.id);
  const [recorded] = await sql<Pick<JobColumns, "createdAt">[]>`
    select created_at as "createdAt" from jobs where id = any(${ids}::uuid[]) limit 1`;
  if (recorded === undefined) throw new Error("a job was neither inserted nor recorded before");
  return recorded.createdAt.toISOString();
}

const maxPartJobs = 1000;
const maxPartLength = 1_000_000;

/** Splits jobs into parts, in order: one statement for all would hold the data four times in memory. */
export function* splitJobs(jobs: readonly NewJob[]): Generator<readonly NewJob[]> {
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
 * Inserts jobs like `insertJobs`, but cheaper: `on conflict` adds a fifth to the cost of an insert. Throws a unique
 * violation if a job is recorded already.
 */
export async function insertUnrecordedJobs(sql: ISql, jobs: readonly NewJob[]): Promise<string> {
  const [row] = await runStatement<{ now: Date }>(sql, (add) => {
    const insert = insertStatement(add, jobs);
    return hasTerms(jobs)
      ? `with inserted as (${insert} returning id), ${insertTerms(add, jobs)} select now()`
      : `with inserted as (${insert}) select now()`;
  });
  return (row?.now ?? new Date()).toISOString();
}

/** Inserts jobs. Not for use in a transaction, which the first conflict would abort. */
export async function insertNewJobs(sql: Sql, jobs: readonly NewJob[]): Promise<string> {
  try {
    return await insertUnrecordedJobs(sql, jobs);
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
  const replacements = findReplaced(jobs);
  // Sorted the same way everywhere, so that two batches rarely deadlock.
  const sorted = jobs.filter((job) => !replacements.has(job)).toSorted(byKeyIdentity);
  const windowed = sorted.filter((job) => job.dedupWindowMs !== null);
  if (windowed.length > 0) await openWindows(sql, windowed, outcomes);
  let remaining: readonly NewJob[] = sorted.filter((job) => !outcomes.has(job.id));
  for (let round = 0; remaining.length > 0; round += 1) {
    if (round === maxRounds) throw new Error("the jobs of a key ended and were replaced too often");
    for (const part of splitJobs(remaining)) {
      for (const { id, createdAt } of await insertUnlessConflict(sql, part)) {
        const at = createdAt.toISOString();
        outcomes.set(id, { status: "created", createdAt: at, replaced: replaced.get(id) });
      }
    }
    remaining = remaining.filter((job) => !outcomes.has(job.id));
    const replacing = remaining.filter((job) => job.replacesWaiting);
    const ended = replacing.length > 0 ? await replaceWaiting(sql, replacing, removeWaiting) : none;
    for (const [id, job] of ended) replaced.set(id, job);
    const rest = remaining.filter((job) => !ended.has(job.id));
    if (rest.length > 0) await findExisting(sql, rest, outcomes);
    remaining = remaining.filter((job) => !outcomes.has(job.id));
  }
  const duplicates = windowed.filter((job) => outcomes.get(job.id)?.status === "duplicate");
  if (duplicates.length > 0) await closeWindows(sql, duplicates);
  return jobs.map((job) => {
    const later = replacements.get(job);
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

function byKeyIdentity(a: NewJob, b: NewJob) {
  return (
    compare(a.key ?? "", b.key ?? "") || compare(a.type, b.type) || compare(a.tenant, b.tenant)
  );
}

function compare(a: string, b: string) {
  return a === b ? 0 : a < b ? -1 : 1;
}

type InsertedRow = Pick<JobColumns, "id" | "createdAt">;

/** Inserts the jobs that have no conflict. */
function insertUnlessConflict(sql: ISql, jobs: readonly NewJob[]) {
  return runStatement<InsertedRow>(sql, (add) => {
    const insert = `${insertStatement(add, jobs)} on conflict do nothing returning id, created_at as "createdAt"`;
    return hasTerms(jobs)
      ? `with inserted as (${insert}), ${insertTerms(add, jobs)} select id, "createdAt" from inserted`
      : insert;
  });
}

export function hasTerms(jobs: readonly NewJob[]) {
  return jobs.some((job) => job.terms !== null);
}

/** Inserts the search terms of the inserted jobs. */
export function insertTerms(add: AddParameter, jobs: readonly NewJob[]): string {
  const rows = jobs.flatMap(({ id, tenant, terms }) =>
    (terms ?? []).map((term) => ({ id, tenant, term })),
  );
  return `
    inserted_terms as (
      insert into job_terms (tenant, term, job_id)
      select tenant, term, t.id
      from unnest(
        ${add(rows.map(({ id }) => id))}::uuid[], ${add(rows.map(({ tenant }) => tenant))}::text[],
        ${add(rows.map(({ term }) => term))}::text[]
      ) as t (id, tenant, term) join inserted using (id)
    )`;
}
