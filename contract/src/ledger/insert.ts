import type { ISql, Sql } from "postgres";
import type { NewJob, StandingJob } from "../enqueue/new-job.ts";
import { isUniqueViolation } from "./errors.ts";

export type Recorded =
  | { status: "created"; createdAt: string }
  | { status: "duplicate"; job: StandingJob };

/** How often an entry is tried again whose pending twin ended between the insert and the look-up. */
const maxRounds = 5;

/**
 * Records jobs that have no key: nothing can stand in their way but themselves, when a COMMIT was repeated whose
 * reply was lost.
 * @returns when they were recorded, by Postgres' clock, in ISO 8601
 */
export function insertJobs(sql: ISql, jobs: readonly NewJob[]): Promise<string> {
  return timed(sql, sql`${insertion(sql, jobs)} on conflict do nothing`);
}

/**
 * As `insertJobs`, for less: to be ready for a conflict costs Postgres a fifth of an insert. Not for use in a
 * transaction, which would end with the first conflict.
 */
export async function insertNewJobs(sql: Sql, jobs: readonly NewJob[]): Promise<string> {
  try {
    return await timed(sql, insertion(sql, jobs));
  } catch (error) {
    if (isUniqueViolation(error)) return insertJobs(sql, jobs);
    throw error;
  }
}

/**
 * Records jobs of which some have keys. One outcome per job, in order; a pending job of the same tenant, type and
 * key makes it a `duplicate`. Waits for transactions that are inserting the same key.
 */
export async function insertKeyedJobs(sql: ISql, jobs: readonly NewJob[]): Promise<Recorded[]> {
  const outcomes = new Map<string, Recorded>();
  // In one order everywhere, so that two batches rarely wait for each other crosswise.
  let open: readonly NewJob[] = jobs.toSorted(byKey);
  for (let round = 0; open.length > 0; round += 1) {
    if (round === maxRounds) throw new Error("a key ended and was taken again too often");
    const created = await sql<{ id: string; createdAt: Date }[]>`
      ${insertion(sql, open)} on conflict do nothing returning id, created_at as "createdAt"`;
    for (const { id, createdAt } of created) {
      outcomes.set(id, { status: "created", createdAt: createdAt.toISOString() });
    }
    const rest = open.filter((job) => !outcomes.has(job.id));
    if (rest.length > 0) await lookUp(sql, rest, outcomes);
    open = rest.filter((job) => !outcomes.has(job.id));
  }
  return jobs.map((job) => {
    const outcome = outcomes.get(job.id);
    if (outcome === undefined) throw new Error("an entry has no outcome");
    return outcome;
  });
}

/** Whether one of these very jobs stands in the ledger. */
export async function isAnyRecorded(sql: ISql, jobs: readonly NewJob[]): Promise<boolean> {
  const ids = jobs.map((job) => job.id);
  const [row] = await sql`select from jobs where id = any(${ids}::uuid[]) limit 1`;
  return row !== undefined;
}

// A statement of its own: the insert's snapshot does not see the transaction it has just waited for.
async function lookUp(sql: ISql, jobs: readonly NewJob[], outcomes: Map<string, Recorded>) {
  const standing = await sql<
    (Omit<StandingJob, "createdAt"> & { ownId: string; createdAt: Date })[]
  >`
    select asked.id as "ownId", found.id, found.type, found.queue, found.key, found.status,
           found.created_at as "createdAt", found.run_at as "runAt"
    from unnest(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
      ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
    ) as asked (id, tenant, type, key)
    cross join lateral (
      select * from jobs where jobs.id = asked.id
      union all
      select * from jobs where jobs.tenant = asked.tenant and jobs.type = asked.type
        and jobs.key = asked.key and jobs.status = 'pending' and jobs.id <> asked.id
    ) as found`;
  for (const { ownId, ...row } of standing) {
    const createdAt = row.createdAt.toISOString();
    if (row.id === ownId) outcomes.set(ownId, { status: "created", createdAt });
    else outcomes.set(ownId, { status: "duplicate", job: { ...row, createdAt } });
  }
}

function byKey(a: NewJob, b: NewJob) {
  return (a.key ?? "") < (b.key ?? "") ? -1 : 1;
}

async function timed(sql: ISql, statement: ReturnType<typeof insertion>): Promise<string> {
  const [row] = await sql<{ now: Date }[]>`with inserted as (${statement}) select now()`;
  return (row?.now ?? new Date()).toISOString();
}

/** Columns that none of the jobs fills are not sent. */
function insertion(sql: ISql, jobs: readonly NewJob[]) {
  const { kinds, kindOf } = groupByKind(jobs);
  // Each array in a select of its own, which Postgres evaluates once: as plain expressions they were parsed for each row.
  const common = sql`
    (select ${kinds.map((kind) => kind.tenant)}::text[])[kind], (select ${kinds.map((kind) => kind.queue)}::text[])[kind],
    (select ${kinds.map((kind) => kind.type)}::text[])[kind],
    (select ${kinds.map((kind) => JSON.stringify(kind.options))}::text[]::jsonb[])[kind],
    (select ${kinds.map((kind) => kind.importId)}::uuid[])[kind]`;
  const columns = sql`insert into jobs (id, data, tenant, queue, type, options, import_id`;
  // JSON text has no line breaks: as lines it needs no quoting, which cost each side more than the rest of its parameters.
  const data = jobs.map((job) => job.data).join("\n");
  const each = sql`${jobs.map((job) => job.id)}::uuid[], ${kindOf}::int[], string_to_array(${data}, E'\\n')`;
  if (jobs.every(isPlain)) {
    return sql`
      ${columns}) select id, data::jsonb, ${common} from unnest(${each}) as job (id, kind, data)`;
  }
  return sql`
    ${columns}, quota_key, key, run_at, trace) select id, data::jsonb, ${common},
      (select ${kinds.map((kind) => kind.quotaKey)}::text[])[kind], key, run_at, trace
    from unnest(
      ${each}, ${jobs.map((job) => job.key)}::text[],
      ${jobs.map((job) => job.runAt?.toISOString() ?? null)}::timestamptz[],
      ${jobs.map((job) => job.trace)}::text[]
    ) as job (id, kind, data, key, run_at, trace)`;
}

function isPlain({ key, runAt, quotaKey, trace }: NewJob) {
  return key === null && runAt === null && quotaKey === null && trace === null;
}

/** What the jobs of a batch have in common, in most batches all of it, is sent and parsed once. */
function groupByKind(jobs: readonly NewJob[]) {
  const kinds: NewJob[] = [];
  const numbers = new Map<string, number>();
  let last: NewJob | undefined;
  let number = 0;
  const kindOf = jobs.map((job) => {
    if (last === undefined || !areAlike(last, job)) {
      const { tenant, queue, type, options, importId, quotaKey } = job;
      const identity = JSON.stringify([tenant, queue, type, options, importId, quotaKey]);
      number = numbers.get(identity) ?? kinds.push(job);
      numbers.set(identity, number);
      last = job;
    }
    return number;
  });
  return { kinds, kindOf };
}

/** Quick to tell; of those that are not alike, some are of one kind all the same. */
function areAlike(one: NewJob, other: NewJob) {
  return (
    one.type === other.type &&
    one.options === other.options &&
    one.queue === other.queue &&
    one.tenant === other.tenant &&
    one.importId === other.importId &&
    one.quotaKey === other.quotaKey
  );
}
