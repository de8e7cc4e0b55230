import type { ISql, Sql } from "postgres";
import { createJobId } from "../enqueue/job-id.ts";
import type { KeyRing } from "../secret/key-ring.ts";
import type { Schedule, ScheduleDefinition, ScheduleRun, Timing } from "./schedule.ts";
import { slotsOf } from "./slots.ts";
import { sealTemplate, showTemplate, type StoredTemplate } from "./template.ts";

/** A definition as the ledger has it. */
export type StoredDefinition = Omit<ScheduleDefinition, "job"> & { job: StoredTemplate };

export interface ScheduleRow {
  tenant: string;
  name: string;
  id: string;
  type: string;
  definition: StoredDefinition;
  source: Schedule["source"];
  paused: boolean;
  nextAt: Date | null;
  lastSlot: Date | null;
  lastJobId: string | null;
  lastRun: ScheduleRun | null;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

interface Named {
  tenant: string;
  name: string;
}

/** Throws when what was found must not be changed by who asks; nothing is changed then. */
export type Check = (found: ScheduleRow | undefined) => void;

export interface SavedSchedule {
  status: "created" | "replaced";
  row: ScheduleRow;
}

/** Makes a schedule or replaces its definition; it stays paused if it was. */
export async function saveSchedule(
  sql: Sql,
  { tenant, name }: Named,
  { definition, source }: { definition: ScheduleDefinition; source: Schedule["source"] },
  { keys, check = () => {} }: { keys: KeyRing | undefined; check?: Check },
): Promise<SavedSchedule> {
  const id = createJobId();
  const { type } = definition.job;
  const stored = JSON.stringify({ ...definition, job: sealTemplate(definition.job, id, keys) });
  for (;;) {
    const saved = await changing(sql, { tenant, name }, check, async (tx, found, now) => {
      const next = nextOf(definition, found, now);
      const [row] = await (found === undefined
        ? tx<ScheduleRow[]>`
            insert into schedules (tenant, name, id, type, definition, source, next_at)
            values (${tenant}, ${name}, ${id}, ${type}, ${stored}::text::jsonb, ${source}, ${next})
            on conflict do nothing returning ${columns(tx)}`
        : tx<ScheduleRow[]>`
            update schedules set
              id = ${id}, type = ${type}, definition = ${stored}::text::jsonb, source = ${source},
              next_at = ${next}, version = version + 1, updated_at = now()
            where tenant = ${tenant} and name = ${name} returning ${columns(tx)}`);
      const status: SavedSchedule["status"] = found === undefined ? "created" : "replaced";
      return row && { status, row };
    });
    // Somebody else has made it between the look and the insert.
    if (saved !== undefined) return saved;
  }
}

/** What is due stays due, when the new definition is due at the same times. */
function nextOf(definition: ScheduleDefinition, found: ScheduleRow | undefined, now: Date) {
  if (found?.paused) return null;
  return found && rhythmOf(found.definition) === rhythmOf(definition)
    ? found.nextAt
    : slotsOf(definition).after(now);
}

function rhythmOf({ cron, everyMs, timeZone, from, until }: Timing) {
  return JSON.stringify([cron, everyMs, timeZone, from, until]);
}

/** What it missed while it was paused is not made up for. */
export function setPaused(
  sql: Sql,
  named: Named,
  isPaused: boolean,
  check: Check,
): Promise<ScheduleRow | undefined> {
  return changing(sql, named, check, async (tx, found, now) => {
    if (found === undefined || found.paused === isPaused) return found;
    const next = isPaused ? null : slotsOf(found.definition).after(now);
    const [row] = await tx<ScheduleRow[]>`
      update schedules set
        paused = ${isPaused}, next_at = ${next}, version = version + 1, updated_at = now()
      where tenant = ${named.tenant} and name = ${named.name} returning ${columns(tx)}`;
    return row;
  });
}

/** @returns the schedule as it was */
export function deleteSchedule(
  sql: Sql,
  named: Named,
  check: Check,
): Promise<ScheduleRow | undefined> {
  return changing(sql, named, check, async (tx, found) => {
    if (found !== undefined) {
      await tx`delete from schedules where tenant = ${named.tenant} and name = ${named.name}`;
    }
    return found;
  });
}

export async function findSchedule(
  sql: ISql,
  { tenant, name }: Named,
): Promise<ScheduleRow | undefined> {
  const [row] = await sql<ScheduleRow[]>`
    select ${columns(sql)} from schedules where tenant = ${tenant} and name = ${name}`;
  return row;
}

export interface ScheduleFilter {
  tenant: string;
  /** Only names behind this one. */
  after: string | undefined;
  /** Only those whose jobs are of these types. */
  types: readonly string[] | undefined;
  limit: number;
}

/** By name. */
export function listSchedules(
  sql: ISql,
  { tenant, after, types, limit }: ScheduleFilter,
): Promise<ScheduleRow[]> {
  return sql<ScheduleRow[]>`
    select ${columns(sql)} from schedules
    where tenant = ${tenant}
      ${after === undefined ? sql`` : sql`and name > ${after}`}
      ${types === undefined ? sql`` : sql`and type = any(${[...types]}::text[])`}
    order by name limit ${limit}`;
}

/** In how many ms a schedule is due, by Postgres' clock; undefined when none will be. */
export async function untilDue(sql: ISql): Promise<number | undefined> {
  const [row] = await sql<{ ms: number }[]>`
    select ceil(extract(epoch from next_at - now()) * 1000)::float8 as ms from schedules
    where next_at is not null order by next_at limit 1`;
  return row?.ms;
}

export interface Due {
  row: ScheduleRow & { nextAt: Date };
  now: Date;
}

/** Locks one that is due, until the transaction ends; undefined when there is none that nobody else has. */
export async function claimDue(tx: ISql): Promise<Due | undefined> {
  const [found] = await tx<(ScheduleRow & { nextAt: Date; now: Date })[]>`
    select ${columns(tx)}, now() from schedules
    where next_at <= now() order by next_at limit 1 for update skip locked`;
  return found && { row: found, now: found.now };
}

/** Notes what became of a schedule's run, in the transaction that made its job. */
export async function noteRun(
  sql: ISql,
  { tenant, name }: Named,
  run: ScheduleRun,
  slot?: { at: Date; next: Date | null },
): Promise<void> {
  const isJob = run.outcome === "created" || run.outcome === "duplicate";
  await sql`
    update schedules set
      last_run = ${JSON.stringify(run)}::text::jsonb
      ${isJob ? sql`, last_job_id = ${run.jobId}` : sql``}
      ${slot ? sql`, last_slot = ${slot.at}, next_at = ${slot.next}` : sql``}
    where tenant = ${tenant} and name = ${name}`;
}

/** Deletes the schedules of a tenant that came from a file but those of these names. */
export async function deleteOthersOfFile(
  sql: ISql,
  tenant: string,
  names: readonly string[],
): Promise<string[]> {
  const deleted = await sql<{ name: string }[]>`
    delete from schedules
    where tenant = ${tenant} and source = 'file' and name <> all(${[...names]}::text[])
    returning name`;
  return deleted.map(({ name }) => name);
}

function changing<Result>(
  sql: Sql,
  { tenant, name }: Named,
  check: Check,
  work: (tx: ISql, found: ScheduleRow | undefined, now: Date) => Promise<Result>,
): Promise<Result> {
  return sql.begin(async (tx) => {
    const [found] = await tx<ScheduleRow[]>`
      select ${columns(tx)} from schedules where tenant = ${tenant} and name = ${name} for update`;
    check(found);
    const [clock] = await tx<{ now: Date }[]>`select now()`;
    return work(tx, found, clock?.now ?? new Date());
  }) as Promise<Result>;
}

function columns(sql: ISql) {
  return sql`
    tenant, name, id, type, definition, source, paused, next_at as "nextAt", last_slot as "lastSlot",
    last_job_id as "lastJobId", last_run as "lastRun", version, created_at as "createdAt", updated_at as "updatedAt"`;
}

/** A schedule as it is shown. */
export function toSchedule(row: ScheduleRow): Schedule {
  const { cron, everyMs, timeZone, from, until, overlap, missed, description, job } =
    row.definition;
  return {
    name: row.name,
    cron: cron ?? null,
    everyMs: everyMs ?? null,
    timeZone,
    from: from ?? null,
    until: until ?? null,
    overlap,
    missed,
    description: description ?? null,
    job: { ...showTemplate(job) },
    source: row.source,
    paused: row.paused,
    nextAt: row.nextAt?.toISOString() ?? null,
    lastRun: row.lastRun,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
