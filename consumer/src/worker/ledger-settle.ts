import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { toDeadLetterReason } from "@toril/contract/engine/jobs/change/reason";
import { bullId } from "@toril/contract/engine/redis/names";
import type { JobStatus, SettlingOutcome } from "@toril/contract/api/job-states";
import { JobError } from "@toril/contract/api/job";
import type { ISql } from "postgres";

/** Final outcome of a job. */
export interface Settlement {
  id: string;
  generation: number;
  status: SettlingOutcome;
  /** Total attempts. */
  attempts: number;
  /** Of the last attempt; undefined for a job that never started. */
  startedAt?: Date | undefined;
  durationMs?: number | undefined;
  worker?: string | null | undefined;
  /** JSON text. */
  result: string | null;
  /** JSON text of a `JobError`. */
  error: string | null;
  /** JSON text of `RunError`s; null when no attempt failed. */
  failures?: string | null;
  /** JSON text of `JobLogLine`s; null when the handler logged nothing. */
  log?: string | null;
}

export type Settled =
  | { status: "settled" }
  /** Nothing changed. `recorded` is the job's status; undefined when the ledger does not know the job. */
  | { status: "already-settled"; recorded: JobStatus | undefined };

/**
 * Settles jobs that are pending in the given generation and updates the counters of their imports. Returns one outcome
 * per entry, in order; of two entries for the same generation the first wins.
 */
export async function settleJobs(sql: ISql, entries: readonly Settlement[]): Promise<Settled[]> {
  const first = new Map<string, Settlement>();
  for (const entry of entries) {
    if (!first.has(toKey(entry))) first.set(toKey(entry), entry);
  }
  const settledKeys = new Set((await settlePending(sql, [...first.values()])).map(toKey));
  const alreadySettled = entries.filter(
    (entry) => !settledKeys.has(toKey(entry)) || first.get(toKey(entry)) !== entry,
  );
  if (alreadySettled.length === 0) return entries.map(() => ({ status: "settled" }));
  const statuses = await readStatuses(sql, alreadySettled);
  const alreadySettledEntries = new Set(alreadySettled);
  return entries.map((entry) =>
    alreadySettledEntries.has(entry)
      ? { status: "already-settled", recorded: statuses.get(entry.id) }
      : { status: "settled" },
  );
}

function toKey({ id, generation }: { id: string; generation: number }) {
  return bullId(id, generation);
}

// `any(ids)` keeps the planner from reading all pending rows, whose number it estimates by old statistics. Locking the
// imports in one order prevents deadlocks between batches.
function settlePending(sql: ISql, entries: readonly Settlement[]) {
  const ids = entries.map((entry) => entry.id);
  // Few jobs have any of these columns.
  const optionalColumns = [
    { name: "failures", cast: sql`jsonb[]`, of: (entry: Settlement) => entry.failures ?? null },
    { name: "log", cast: sql`jsonb[]`, of: (entry: Settlement) => entry.log ?? null },
    { name: "reason", cast: sql`text[]`, of: getReason },
  ].filter(({ of: toValue }) => entries.some((entry) => toValue(entry) !== null));
  const sets = optionalColumns.map(({ name }) => sql`, ${sql(name)} = s.${sql(name)}`);
  const names = optionalColumns.map(({ name }) => sql`, ${sql(name)}`);
  const arrays = optionalColumns.map(({ of, cast }) => sql`, ${entries.map(of)}::text[]::${cast}`);
  const join = (fragments: typeof sets) => (fragments.length === 0 ? sql`` : sql`${fragments}`);
  return sql<Pick<JobColumns, "id" | "generation">[]>`
    with ended as (
      update jobs set status = s.status, attempts = s.attempts, result = s.result, error = s.error, started_at = s.started_at,
        duration_ms = s.duration_ms, worker = s.worker, settled_at = now()
        ${join(sets)}
      from unnest(
        ${ids}::uuid[], ${entries.map((entry) => entry.generation)}::int[],
        ${entries.map((entry) => entry.status)}::text[], ${entries.map((entry) => entry.attempts)}::int[],
        ${entries.map((entry) => entry.result)}::text[]::jsonb[],
        ${entries.map((entry) => entry.error)}::text[]::jsonb[], ${entries.map(toStartedAt)}::timestamptz[],
        ${entries.map((entry) => entry.durationMs ?? null)}::int[],
        ${entries.map((entry) => entry.worker ?? null)}::text[]${join(arrays)}
      ) as s (id, generation, status, attempts, result, error, started_at, duration_ms, worker${join(names)})
      where jobs.id = any(${ids}::uuid[]) and jobs.id = s.id and jobs.generation = s.generation and jobs.status = 'pending'
      returning jobs.id, jobs.generation, jobs.status, jobs.import_id
    ), counts as (
      select import_id, count(*) filter (where status = 'completed') as completed,
             count(*) filter (where status = 'dead') as dead,
             count(*) filter (where status = 'expired') as expired
      from ended where import_id is not null group by import_id
    ), held as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), counted as (
      update imports set completed = imports.completed + counts.completed, dead = imports.dead + counts.dead,
        expired = imports.expired + counts.expired
      from counts
      where imports.id = any(array(select id from held)) and imports.id = counts.import_id
    )
    select id, generation from ended`;
}

function toStartedAt({ startedAt }: Pick<Settlement, "startedAt">) {
  return startedAt?.toISOString() ?? null;
}

/** The attempt during which a job was cancelled. */
export type CancelledAttempt = Pick<
  Settlement,
  "id" | "generation" | "attempts" | "startedAt" | "durationMs" | "worker" | "failures" | "log"
>;

/** Adds the attempt to cancelled jobs: the client that cancels a job does not know the attempt. Changes no status. */
export async function recordCancelled(
  sql: ISql,
  entries: readonly CancelledAttempt[],
): Promise<void> {
  const ids = entries.map((entry) => entry.id);
  await sql`
    update jobs set attempts = s.attempts, started_at = s.started_at, duration_ms = s.duration_ms, worker = s.worker,
      failures = s.failures, log = s.log
    from unnest(
      ${ids}::uuid[], ${entries.map((entry) => entry.generation)}::int[], ${entries.map((entry) => entry.attempts)}::int[],
      ${entries.map(toStartedAt)}::timestamptz[], ${entries.map((entry) => entry.durationMs ?? null)}::int[],
      ${entries.map((entry) => entry.worker ?? null)}::text[],
      ${entries.map((entry) => entry.failures ?? null)}::text[]::jsonb[],
      ${entries.map((entry) => entry.log ?? null)}::text[]::jsonb[]
    ) as s (id, generation, attempts, started_at, duration_ms, worker, failures, log)
    where jobs.id = any(${ids}::uuid[]) and jobs.id = s.id and jobs.generation = s.generation and jobs.status = 'cancelled'
      and jobs.started_at is null`;
}

function getReason({ status, error }: Settlement) {
  return status === "dead" && error !== null
    ? toDeadLetterReason(JobError.parse(JSON.parse(error)))
    : null;
}

async function readStatuses(sql: ISql, entries: readonly Settlement[]) {
  const rows = await sql<Pick<JobColumns, "id" | "status">[]>`
    select id, status from jobs where id = any(${entries.map((entry) => entry.id)}::uuid[])`;
  return new Map(rows.map(({ id, status }) => [id, status]));
}
