import type { ISql } from "postgres";
import type { ApiKeyColumns } from "../postgres/tables.ts";
import type { ScheduleRun } from "../../api/schedule.ts";
import { scheduleColumns, type ScheduleRef, type ScheduleRow } from "./schedule-ledger.ts";

/** Limits the index entries read for round-robin, whatever the number of due schedules. */
const maxTurnEntries = 10_000;

/** Returns the ms until the next schedule is due, by Postgres' clock; undefined if none will be. */
export async function untilDue(sql: ISql): Promise<number | undefined> {
  const [row] = await sql<{ ms: number }[]>`
    select ceil(extract(epoch from next_at - now()) * 1000)::float8 as ms from schedules
    where next_at is not null order by next_at limit 1`;
  return row?.ms;
}

/**
 * Finds due schedules for at most `batches` batches. If more than one batch is due, picks them round-robin: the oldest
 * one of each tenant, then the second one of each, and so on. Walks one index entry for each tenant with schedules.
 */
export async function findDue(
  sql: ISql,
  batchSize: number,
  batches: number,
): Promise<ScheduleRef[]> {
  const oldest = await sql<ScheduleRef[]>`
    select tenant, name from schedules where next_at <= now() order by next_at limit ${batchSize + 1}`;
  if (oldest.length <= batchSize) return oldest;
  const limit = batchSize * batches;
  return sql<ScheduleRef[]>`
    with recursive walk (tenant) as (
      (select tenant from schedules where next_at is not null order by tenant limit 1)
      union all
      select (
        select schedules.tenant from schedules
        where schedules.next_at is not null and schedules.tenant > walk.tenant
        order by schedules.tenant limit 1
      ) from walk where walk.tenant is not null
    ), due as materialized (
      select tenant from walk
      where exists (select from schedules where schedules.tenant = walk.tenant and next_at <= now())
    )
    select due.tenant, schedule.name from due
    cross join lateral (
      select name, next_at, row_number() over (order by next_at) as turn from schedules
      where schedules.tenant = due.tenant and next_at <= now() order by next_at
      limit (select greatest(1, least(${limit}::int, ${maxTurnEntries}::int / count(*))) from due)
    ) as schedule
    order by schedule.turn, schedule.next_at limit ${limit}`;
}

export interface DueSchedule extends ScheduleRow {
  nextAt: NonNullable<ScheduleRow["nextAt"]>;
  now: Date;
  /** Quotas of the API key that wrote the definition. */
  quotas: ApiKeyColumns["quotas"];
  /** Size of the definition as JSON. */
  bytes: number;
}

/**
 * Locks the due ones of these schedules until the transaction ends, at most `limit`; skips schedules locked by other
 * transactions.
 */
export function lockDue(
  tx: ISql,
  names: readonly ScheduleRef[],
  limit = names.length,
): Promise<DueSchedule[]> {
  return tx<DueSchedule[]>`
    select ${scheduleColumns(tx)}, now(), quotas, octet_length(definition::text) as bytes
    from unnest(${names.map(({ tenant }) => tenant)}::text[], ${names.map(({ name }) => name)}::text[])
      with ordinality as due (tenant, name, turn)
    join schedules using (tenant, name)
    left join (select id as key_id, quotas from api_keys) as owner on owner.key_id = schedules.quota_key
    where next_at <= now() order by turn limit ${limit} for update of schedules skip locked`;
}

/** A run of a schedule and the schedule's version on which it is based. */
export interface RecordedRun {
  schedule: Pick<ScheduleRow, "tenant" | "name" | "id" | "version">;
  run: ScheduleRun;
  /** The schedule's state after a regular fire time; undefined for a manually triggered run. */
  after?: { lastFireTime: Date; nextAt: Date | null; deferredFireTime: Date | null } | undefined;
}

/**
 * Records runs in the transaction that inserts their jobs. Skips schedules whose version has changed.
 * @returns the number of recorded runs
 */
export async function recordRuns(sql: ISql, runs: readonly RecordedRun[]): Promise<number> {
  const of = <Value>(pick: (run: RecordedRun) => Value) => runs.map(pick);
  const isJob = ({ outcome }: ScheduleRun) => outcome === "created" || outcome === "duplicate";
  const recorded = await sql`
    update schedules set
      last_run = recorded.run::jsonb,
      last_job_id = coalesce(recorded.job_id, last_job_id),
      last_fire_time = coalesce(recorded.fire_time, last_fire_time),
      next_at = case when recorded.fire_time is null then next_at else recorded.next end,
      deferred_fire_time = case when recorded.fire_time is null then deferred_fire_time else recorded.deferred end
    from unnest(
      ${of(({ schedule }) => schedule.tenant)}::text[], ${of(({ schedule }) => schedule.name)}::text[],
      ${of(({ schedule }) => schedule.id)}::uuid[], ${of(({ schedule }) => schedule.version)}::int[],
      ${of(({ run }) => JSON.stringify(run))}::text[],
      ${of(({ run }) => (isJob(run) ? run.jobId : null))}::uuid[],
      ${of(({ after }) => after?.lastFireTime.toISOString() ?? null)}::timestamptz[],
      ${of(({ after }) => after?.nextAt?.toISOString() ?? null)}::timestamptz[],
      ${of(({ after }) => after?.deferredFireTime?.toISOString() ?? null)}::timestamptz[]
    ) as recorded (tenant, name, id, version, run, job_id, fire_time, next, deferred)
    where schedules.tenant = recorded.tenant and schedules.name = recorded.name
      and schedules.id = recorded.id and schedules.version = recorded.version`;
  return recorded.count;
}
