import type { ScheduleColumns } from "../postgres/tables.ts";
import type { ISql, Sql } from "postgres";
import { createJobId } from "../jobs/enqueue/job-id.ts";
import type { KeyRing } from "../secrets/key-ring.ts";
import type { JobTypeRegistry } from "../../api/registry.ts";
import type { Schedule, ScheduleDefinition, Timing } from "../../api/schedule.ts";
import { toShownUrl } from "../webhooks/callbacks.ts";
import { toFireTimes } from "./fire-times.ts";
import { sealTemplate, showTemplate } from "./template.ts";

export type ScheduleRow = ScheduleColumns;

/** Identifies one schedule. */
export type ScheduleRef = Pick<ScheduleColumns, "tenant" | "name">;

export interface WrittenSchedule {
  definition: ScheduleDefinition;
  source: Schedule["source"];
  /** The API key that writes the definition, if the key has quotas. */
  quotaKey?: string | undefined;
}

/** Throws to reject a change of the existing schedule; nothing is changed then. */
export type Check = (existing: ScheduleRow | undefined) => void;

export interface SavedSchedule {
  status: "created" | "replaced" | "unchanged";
  row: ScheduleRow;
}

/** Runs in the transaction of a change with the schedule; a rejection rolls the change back. */
export type Alongside = (tx: ISql, row: ScheduleRow) => Promise<void>;

interface SaveOptions {
  jobTypes: JobTypeRegistry;
  keys: KeyRing | undefined;
  check?: Check;
  /** Runs in the transaction before a schedule is created; a rejection creates none. */
  beforeCreate?(tx: ISql): Promise<void>;
  alongside?: Alongside | undefined;
  /** Whether the existing schedule should be left unchanged. */
  isSame?(existing: ScheduleRow): boolean;
}

/** Creates a schedule or replaces its definition; a paused schedule stays paused. */
export async function saveSchedule(
  sql: Sql,
  { tenant, name }: ScheduleRef,
  { definition, source, quotaKey }: WrittenSchedule,
  { jobTypes, keys, check = () => {}, beforeCreate, alongside, isSame = () => false }: SaveOptions,
): Promise<SavedSchedule> {
  const id = createJobId();
  const { type } = definition.job;
  const job = sealTemplate(jobTypes, definition.job, id, keys);
  const stored = JSON.stringify({ ...definition, job });
  for (;;) {
    const saved = await changeLocked(sql, { tenant, name }, check, async (tx, existing, now) => {
      if (existing !== undefined && isSame(existing))
        return { status: "unchanged" as const, row: existing };
      if (existing === undefined) await beforeCreate?.(tx);
      const { nextAt, deferredFireTime } = getNextFire(definition, existing, now);
      const [row] = await (existing === undefined
        ? tx<ScheduleRow[]>`
            insert into schedules (tenant, name, id, type, definition, source, quota_key, next_at)
            values (${tenant}, ${name}, ${id}, ${type}, ${stored}::text::jsonb, ${source}, ${quotaKey ?? null}, ${nextAt})
            on conflict do nothing returning ${scheduleColumns(tx)}`
        : tx<ScheduleRow[]>`
            update schedules set
              id = ${id}, type = ${type}, definition = ${stored}::text::jsonb, source = ${source},
              quota_key = ${quotaKey ?? null}, next_at = ${nextAt}, deferred_fire_time = ${deferredFireTime},
              version = version + 1, updated_at = now()
            where ${isVersion(tx, existing)} returning ${scheduleColumns(tx)}`);
      const status: SavedSchedule["status"] = existing === undefined ? "created" : "replaced";
      if (row !== undefined) await alongside?.(tx, row);
      return row && { status, row };
    });
    // A concurrent transaction created the schedule between the select and the insert.
    if (saved !== undefined) return saved;
  }
}

/** Keeps the next fire time if the new definition has the same timing. */
function getNextFire(
  definition: ScheduleDefinition,
  existing: ScheduleRow | undefined,
  now: Date,
): Pick<ScheduleRow, "nextAt" | "deferredFireTime"> {
  if (existing?.paused) return { nextAt: null, deferredFireTime: null };
  return existing && toTimingKey(existing.definition) === toTimingKey(definition)
    ? existing
    : { nextAt: toFireTimes(definition).after(now), deferredFireTime: null };
}

function toTimingKey({ cron, everyMs, timeZone, from, until }: Timing) {
  return JSON.stringify([cron, everyMs, timeZone, from, until]);
}

export interface PausedOptions {
  check: Check;
  alongside?: Alongside;
}

/** Pauses or resumes a schedule. Fire times during the pause are skipped. */
export function setPaused(
  sql: Sql,
  ref: ScheduleRef,
  isPaused: boolean,
  { check, alongside }: PausedOptions,
): Promise<ScheduleRow | undefined> {
  return changeLocked(sql, ref, check, async (tx, existing, now) => {
    if (existing === undefined) return existing;
    if (existing.paused === isPaused) {
      await alongside?.(tx, existing);
      return existing;
    }
    const next = isPaused ? null : toFireTimes(existing.definition).after(now);
    const [row] = await tx<ScheduleRow[]>`
      update schedules set
        paused = ${isPaused}, next_at = ${next}, deferred_fire_time = null, version = version + 1, updated_at = now()
      where ${isVersion(tx, existing)} returning ${scheduleColumns(tx)}`;
    if (row !== undefined) await alongside?.(tx, row);
    return row;
  });
}

/**
 * Deletes a schedule.
 * @returns the deleted schedule
 */
export function deleteSchedule(
  sql: Sql,
  ref: ScheduleRef,
  check: Check,
  alongside: Alongside,
): Promise<ScheduleRow | undefined> {
  return changeLocked(sql, ref, check, async (tx, existing) => {
    if (existing !== undefined) {
      await tx`delete from schedules where ${isVersion(tx, existing)}`;
      await alongside(tx, existing);
    }
    return existing;
  });
}

/** Finds a schedule by tenant and name. */
export async function findSchedule(
  sql: ISql,
  { tenant, name }: ScheduleRef,
): Promise<ScheduleRow | undefined> {
  const [row] = await sql<ScheduleRow[]>`
    select ${scheduleColumns(sql)} from schedules where tenant = ${tenant} and name = ${name}`;
  return row;
}

/**
 * Deletes a tenant's schedules that came from a file, except those with the given names.
 * @returns the names of the deleted schedules
 */
export async function deleteOthersOfFile(
  sql: ISql,
  tenant: string,
  names: readonly string[],
): Promise<string[]> {
  const deleted = await sql<Pick<ScheduleColumns, "name">[]>`
    delete from schedules
    where tenant = ${tenant} and source = 'file' and name <> all(${[...names]}::text[])
    returning name`;
  return deleted.map(({ name }) => name);
}

function changeLocked<Result>(
  sql: Sql,
  { tenant, name }: ScheduleRef,
  check: Check,
  work: (tx: ISql, existing: ScheduleRow | undefined, now: Date) => Promise<Result>,
): Promise<Result> {
  return sql.begin(async (tx) => {
    const [existing] = await tx<ScheduleRow[]>`
      select ${scheduleColumns(tx)} from schedules where tenant = ${tenant} and name = ${name} for update`;
    check(existing);
    const [clock] = await tx<{ now: Date }[]>`select now()`;
    return work(tx, existing, clock?.now ?? new Date());
  }) as Promise<Result>;
}

/** Optimistic locking: each write applies to the version that was read. `id` changes with every definition. */
function isVersion(sql: ISql, { tenant, name, id, version }: ScheduleRow) {
  return sql`tenant = ${tenant} and name = ${name} and id = ${id} and version = ${version}`;
}

/** Selects the columns of a `ScheduleRow`. */
export function scheduleColumns(sql: ISql) {
  return sql`
    tenant, name, id, type, definition, source, paused, quota_key as "quotaKey", next_at as "nextAt",
    deferred_fire_time as "deferredFireTime", last_fire_time as "lastFireTime", last_job_id as "lastJobId", last_run as "lastRun", version, created_at as "createdAt", updated_at as "updatedAt"`;
}

/** Converts a row to the API's schedule, with redacted secrets. */
export function toSchedule(jobTypes: JobTypeRegistry, row: ScheduleRow): Schedule {
  const { cron, everyMs, timeZone, from, until, overlap, misfire, description, job } =
    row.definition;
  const { callbackUrl } = job;
  return {
    name: row.name,
    cron: cron ?? null,
    everyMs: everyMs ?? null,
    timeZone,
    from: from ?? null,
    until: until ?? null,
    overlap,
    misfire,
    description: description ?? null,
    job: {
      ...showTemplate(jobTypes, job),
      ...(callbackUrl === undefined ? {} : { callbackUrl: toShownUrl(callbackUrl) }),
    },
    source: row.source,
    paused: row.paused,
    nextAt: row.nextAt?.toISOString() ?? null,
    lastRun: row.lastRun,
    version: row.version,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
