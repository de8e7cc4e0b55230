import { transitions } from "@toril/contract/api/jobs/job-states";
import type { Sql } from "postgres";

import { until } from "../dev/until.ts";
import type { History } from "./history.ts";
import { unkeyedRowsImportId } from "./load.ts";

/** Creates a trigger that records invalid transitions of jobs. */
export async function recordInvalidTransitions(sql: Sql): Promise<void> {
  const steps = Object.entries(transitions)
    .flatMap(([from, statuses]) => statuses.map((to) => `('${from}', '${to}')`))
    .join(", ");
  await sql.unsafe(`
    create table chaos_wrong_steps (
      at timestamptz not null default clock_timestamp(), job_id uuid not null, was jsonb, became jsonb);
    create function chaos_note_step() returns trigger language plpgsql as
      'begin insert into chaos_wrong_steps (job_id, was, became) values (new.id, to_jsonb(old), to_jsonb(new)); return null; end';
    create trigger chaos_step after update on jobs for each row when (
      not (
        (new.status = old.status or (old.status, new.status) in (${steps}))
        and new.generation = old.generation + case when old.status <> 'pending' and new.status = 'pending' then 1 else 0 end
        and (old.status = 'pending' or new.status = 'pending' or new.settled_at is not distinct from old.settled_at)
      )) execute function chaos_note_step();`);
}

/** Returns recorded transitions: a job settled twice, or re-opened without a new generation. */
export async function findInvalidTransitions(sql: Sql): Promise<unknown[]> {
  return [...(await sql`select * from chaos_wrong_steps limit 20`)];
}

/** Returns jobs that are due for `seconds` and still pending. */
export async function findStuck(sql: Sql, seconds: number): Promise<unknown[]> {
  return [
    ...(await sql`
      select * from jobs
      where id in (select id from jobs where status = 'pending' order by id limit 50)
        and status = 'pending' and coalesce(run_at, created_at) < now() - make_interval(secs => ${seconds})
      limit 5`),
  ];
}

/**
 * Pending jobs, without those due in an hour whose cancellation was never acknowledged: their caller ended before a
 * response arrived.
 */
function pendingJobs(sql: Sql, { operations }: History) {
  return sql`
    from jobs where status = 'pending'
      and not (data->>'message' like 'operation-%' and data->>'message' <> all (${operations}))`;
}

/** Waits until no job is pending, or none was settled for `quietMs`. @returns the number of pending jobs */
export async function waitUntilDrained(
  sql: Sql,
  account: History,
  quietMs: number,
): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  let since = performance.now();
  return until(
    "every job ends",
    async () => {
      const [row] = await sql<[{ pending: number }]>`
        select count(*)::int as pending ${pendingJobs(sql, account)}`;
      if (row.pending < least) since = performance.now();
      least = Math.min(least, row.pending);
      return row.pending === 0 || performance.now() - since > quietMs ? row.pending : undefined;
    },
    { timeoutMs: 600_000, everyMs: 250 },
  );
}

export interface Verification {
  jobs: number;
  lost: number;
  duplicated: number;
  stuck: number;
  /** Examples by rule. */
  evidence: Record<string, unknown[]>;
}

/** Compares the acknowledged jobs with the ledger and with the rows that handlers wrote. */
export async function verify(sql: Sql, account: History): Promise<Verification> {
  const evidence: Record<string, unknown[]> = {};
  const find = async (what: string, rows: PromiseLike<readonly unknown[]>) => {
    const found = await rows;
    if (found.length > 0) evidence[what] = found.slice(0, 20);
    return found.length;
  };
  await sql.unsafe(
    "create table chaos_ids (id uuid not null); create table chaos_cancelled (id uuid not null);",
  );
  await insertIds(sql, "chaos_ids", account.ids);
  await insertIds(sql, "chaos_cancelled", account.cancelled);
  await sql`analyze chaos_ids, jobs, imported_rows`;

  const lost = [
    await find(
      "acknowledged jobs that are not in the ledger",
      sql`select id from chaos_ids except select id from jobs limit 1000`,
    ),
    await find(
      "completed rows without the effect of their handler",
      sql`
        select id, data from jobs
        where type = 'row.import' and status = 'completed' and not exists (
          select from imported_rows as done where done.tenant = jobs.tenant
            and done.import_id = (data->>'importId')::uuid and done.row = (data->>'row')::int)
        limit 1000`,
    ),
    await find(
      "jobs that ended without being processed",
      sql`
        select id, type, status, error, attempts from jobs
        where status in ('dead', 'expired') and not (type = 'echo' and data->>'message' like 'dies-%')
           or status = 'cancelled' and not exists (select from chaos_cancelled as one where one.id = jobs.id)
              and not (data->>'message' like 'cancel-%' or data->>'message' like 'operation-%')
        limit 1000`,
    ),
    await find(
      "acknowledged cancellations that had no effect",
      sql`
        select jobs.id, status from chaos_cancelled join jobs using (id) where status <> 'cancelled' limit 1000`,
    ),
    await find("imports whose rows are not all in the ledger", findIncompleteImports(sql, account)),
  ];
  const duplicated = [
    await find("invalid transitions of jobs", findInvalidTransitions(sql)),
    await find(
      "rows that became two jobs",
      sql`
        select data->>'importId' as import, data->>'row' as row, count(*) from jobs
        where type = 'row.import' and data->>'importId' <> ${unkeyedRowsImportId}
        group by 1, 2 having count(*) > 1 limit 1000`,
    ),
    await find(
      "rows of one upload that ran in two imports",
      sql`
        select values->>'upload' as upload, values->>'number' as number, count(*) from imported_rows
        where values ? 'upload' group by 1, 2 having count(*) > 1 limit 1000`,
    ),
    await find(
      "requests with one key that became two jobs",
      sql`
        select coalesce(key, data->>'message') as key, count(*) from jobs
        where key like 'once-%' or data->>'message' ~ '^(dies|flaky|cancel|followed)-'
        group by 1 having count(*) > 1 limit 1000`,
    ),
  ];
  const stuck = [
    await find("jobs that did not end", sql`select * ${pendingJobs(sql, account)} limit 1000`),
  ];
  const [{ jobs }] = await sql<[{ jobs: number }]>`select count(*)::int as jobs from jobs`;
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  return { jobs, lost: sum(lost), duplicated: sum(duplicated), stuck: sum(stuck), evidence };
}

async function insertIds(sql: Sql, table: string, ids: readonly string[]): Promise<void> {
  const size = 50_000;
  for (let from = 0; from < ids.length; from += size) {
    await sql`insert into ${sql(table)} select unnest(${ids.slice(from, from + size)}::uuid[])`;
  }
}

async function findIncompleteImports(sql: Sql, { uploads }: History): Promise<unknown[]> {
  const rows = await sql<{ id: string; count: number }[]>`
    select import_id as id, count(*)::int as count from jobs where import_id is not null group by 1`;
  const counts = new Map(rows.map(({ id, count }) => [id, count]));
  return [...uploads].flatMap(([name, { importId, accepted }]) => {
    const count = counts.get(importId) ?? 0;
    return count === accepted ? [] : [{ name, importId, accepted, count }];
  });
}
