import type { ISql } from "postgres";
import type { NewJob, StandingJob } from "../enqueue/new-job.ts";

export type Recorded =
  | { status: "created"; createdAt: Date }
  | { status: "duplicate"; job: StandingJob };

/** How often an entry is tried again whose pending twin ended between the insert and the look-up. */
const maxRounds = 5;

/**
 * Records jobs that have no key: nothing can stand in their way but themselves, when a COMMIT was repeated whose
 * reply was lost.
 * @returns when they were recorded, by Postgres' clock
 */
export async function insertJobs(sql: ISql, jobs: readonly NewJob[]): Promise<Date> {
  const [row] = await sql<{ now: Date }[]>`with inserted as (${insertion(sql, jobs)}) select now()`;
  return row?.now ?? new Date();
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
      ${insertion(sql, open)} returning id, created_at as "createdAt"`;
    for (const { id, createdAt } of created) outcomes.set(id, { status: "created", createdAt });
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
  const standing = await sql<(StandingJob & { ownId: string })[]>`
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
  for (const { ownId, ...job } of standing) {
    if (job.id === ownId) outcomes.set(ownId, { status: "created", createdAt: job.createdAt });
    else outcomes.set(ownId, { status: "duplicate", job });
  }
}

function byKey(a: NewJob, b: NewJob) {
  return (a.key ?? "") < (b.key ?? "") ? -1 : 1;
}

function insertion(sql: ISql, jobs: readonly NewJob[]) {
  return sql`
    insert into jobs (id, tenant, queue, type, key, data, options, run_at, import_id, trace)
    select * from unnest(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
      ${jobs.map((job) => job.queue)}::text[], ${jobs.map((job) => job.type)}::text[],
      ${jobs.map((job) => job.key)}::text[], ${jobs.map((job) => job.data)}::text[]::jsonb[],
      ${jobs.map((job) => JSON.stringify(job.options))}::text[]::jsonb[],
      ${jobs.map((job) => job.runAt?.toISOString() ?? null)}::timestamptz[], ${jobs.map((job) => job.importId)}::uuid[],
      ${jobs.map((job) => job.trace)}::text[])
    on conflict do nothing`;
}
