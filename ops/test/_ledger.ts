import type { Sql } from "postgres";

/** Creates a trigger that records every write that settles a job or changes a settled job. */
export async function recordSettlements(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create table test_endings (job_id uuid not null);
    create function test_note_ending() returns trigger language plpgsql as
      'begin insert into test_endings values (new.id); return null; end';
    create trigger test_ending after update on jobs for each row
      when (new.status <> 'pending' and (old.status, old.settled_at) is distinct from (new.status, new.settled_at))
      execute function test_note_ending();`);
}

/** Deletes all jobs, for the next test on the same stack. */
export async function deleteJobs(sql: Sql): Promise<void> {
  await sql`delete from jobs`;
  await sql`delete from test_endings`;
}

export interface JobCounts {
  accepted: number;
  pending: number;
  completed: number;
  dead: number;
  settledTwice: number;
}

export async function countJobs(sql: Sql): Promise<JobCounts> {
  const [counts] = await sql<[JobCounts]>`
    select count(*)::int as accepted,
           count(*) filter (where status = 'pending')::int as pending,
           count(*) filter (where status = 'completed')::int as completed,
           count(*) filter (where status = 'dead')::int as dead,
           (select count(*) - count(distinct job_id) from test_endings)::int as "settledTwice"
    from jobs`;
  return counts;
}

/** Expected counts if all jobs completed once. */
export function allCompleted(accepted: number): JobCounts {
  return { accepted, pending: 0, completed: accepted, dead: 0, settledTwice: 0 };
}

/** Returns the counts, or undefined while jobs are pending. */
export async function countsIfSettled(sql: Sql): Promise<JobCounts | undefined> {
  const counts = await countJobs(sql);
  return counts.pending === 0 ? counts : undefined;
}

/** Returns the ids that the ledger does not contain. */
export async function findMissingJobs(sql: Sql, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select requested.id from unnest(${ids as string[]}::uuid[]) as requested (id) left join jobs using (id)
    where jobs.id is null`;
  return rows.map(({ id }) => id);
}
