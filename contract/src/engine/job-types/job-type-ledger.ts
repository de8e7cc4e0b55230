import type { ISql, Sql } from "postgres";
import type { FieldError } from "../../api/json/json.ts";
import type { JobColumns, JobTypeColumns } from "../postgres/tables.ts";
import { findBreakingChanges } from "./breaking-registration.ts";
import type { StoredRegistration } from "./to-job-type.ts";

export type JobTypeRow = JobTypeColumns;

/** Identifies one registered type. */
export type JobTypeRef = Pick<JobTypeColumns, "tenant" | "type">;

/** Throws to reject a change of the existing type; nothing is changed then. */
export type CheckJobType = (existing: JobTypeRow | undefined) => void;

export interface SaveOptions {
  check: CheckJobType;
  /** Changes the type although jobs break. */
  force: boolean;
  /** Maximum number of types of the tenant. */
  maxTypes: number;
  /** Runs in the transaction of the change; a rejection rolls the change back. */
  alongside(tx: ISql): Promise<void>;
  /** Runs in the transaction after the type was written; `existing` is its previous registration. */
  onSaved?(tx: ISql, existing: JobTypeRow | undefined): Promise<void>;
}

export type SavedJobType =
  | { status: "created" | "replaced" | "unchanged"; row: JobTypeRow }
  | { status: "breaking"; changes: FieldError[] }
  /** The queue belongs to another tenant or still has jobs of one, or has another kind of worker. */
  | { status: "queue-taken" }
  | { status: "full" };

/** A number that no other advisory lock uses. */
const changeLock = 7_413_006;

/** Registers a type or replaces its registration. */
export function saveJobType(
  sql: Sql,
  { tenant, type }: JobTypeRef,
  registration: StoredRegistration,
  { check, force, maxTypes, alongside, onSaved }: SaveOptions,
): Promise<SavedJobType> {
  const { queue } = registration;
  const definition = JSON.stringify(registration);
  return changing(sql, { tenant, type }, check, async (tx, recorded): Promise<SavedJobType> => {
    const existing = withoutDeleted(recorded);
    if (existing !== undefined && (await isSame(tx, existing, definition))) {
      await alongside(tx);
      return { status: "unchanged", row: existing };
    }
    if (await isQueueTaken(tx, { tenant, type }, registration)) return { status: "queue-taken" };
    if (existing === undefined && (await isFull(tx, tenant, maxTypes))) return { status: "full" };
    const changes =
      recorded === undefined ? [] : findBreakingChanges(recorded.definition, registration);
    if (changes.length > 0 && !force && (await isInUse(tx, { tenant, type }))) {
      return { status: "breaking", changes };
    }
    const [row] = await tx<JobTypeRow[]>`
      insert into job_types (tenant, type, queue, definition, revision)
      values (${tenant}, ${type}, ${queue}, ${definition}::text::jsonb, ${nextRevision(tx)})
      on conflict (tenant, type) do update set
        queue = excluded.queue, definition = excluded.definition, revision = excluded.revision,
        version = job_types.version + 1, updated_at = now(), deleted_at = null,
        created_at = case when job_types.deleted_at is null then job_types.created_at else now() end
      returning ${columns(tx)}`;
    if (row === undefined) throw new Error("the job type was not saved");
    await onSaved?.(tx, existing);
    await alongside(tx);
    return { status: existing === undefined ? "created" : "replaced", row };
  });
}

export type DeletedJobType =
  | { status: "deleted"; row: JobTypeRow }
  | { status: "not-found" }
  | { status: "in-use"; by: "jobs" | "schedules" };

/** Deletes a type that no pending job and no schedule uses. */
export function deleteJobType(
  sql: Sql,
  ref: JobTypeRef,
  { check, alongside }: Pick<SaveOptions, "check" | "alongside">,
): Promise<DeletedJobType> {
  const { tenant, type } = ref;
  return changing(sql, ref, check, async (tx, recorded): Promise<DeletedJobType> => {
    const existing = withoutDeleted(recorded);
    if (existing === undefined) return { status: "not-found" };
    if (await hasSchedules(tx, ref)) return { status: "in-use", by: "schedules" };
    if (await hasPendingJobs(tx, ref)) return { status: "in-use", by: "jobs" };
    await tx`
      update job_types set deleted_at = now(), version = version + 1, updated_at = now(), revision = ${nextRevision(tx)}
      where tenant = ${tenant} and type = ${type}`;
    await alongside(tx);
    return { status: "deleted", row: existing };
  });
}

/** Finds a registered type. */
export async function findJobType(
  sql: ISql,
  { tenant, type }: JobTypeRef,
): Promise<JobTypeRow | undefined> {
  const [row] = await sql<JobTypeRow[]>`
    select ${columns(sql)} from job_types
    where tenant = ${tenant} and type = ${type} and deleted_at is null`;
  return row;
}

export interface JobTypeFilter {
  tenant: string;
  /** Only names after this one. */
  after: string;
  limit: number;
}

/** Lists registered types by name, in the order of code points. */
export function listJobTypes(
  sql: ISql,
  { tenant, after, limit }: JobTypeFilter,
): Promise<JobTypeRow[]> {
  return sql<JobTypeRow[]>`
    select ${columns(sql)} from job_types
    where tenant = ${tenant} and deleted_at is null and type > ${after} collate "C"
    order by type collate "C" limit ${limit}`;
}

/** Reads the types that changed after `revision`, deleted ones included, in order of revision; 0 reads all. */
export function readChangedJobTypes(sql: ISql, revision: number): Promise<JobTypeRow[]> {
  return sql<JobTypeRow[]>`
    select ${columns(sql)} from job_types where revision > ${revision} order by revision`;
}

/** A pending job whose type was deleted, or has another queue now. */
export type StrandedJob = Pick<JobColumns, "id" | "generation" | "queue"> & { isDeleted: boolean };

/**
 * Finds pending jobs of types that were deleted or changed in the last ten minutes. A younger job may still be on its way
 * to Redis. The subqueries keep the planner from reading pending rows when no type has changed.
 */
export function findStrandedJobs(sql: ISql): Promise<StrandedJob[]> {
  return sql<StrandedJob[]>`
    select jobs.id, jobs.generation, jobs.queue, changed.deleted_at is not null as "isDeleted"
    from (
      select * from job_types where updated_at > now() - interval '10 minutes' and version > 1 offset 0
    ) as changed
    cross join lateral (
      select id, generation, queue from jobs
      where jobs.tenant = changed.tenant and jobs.type = changed.type and jobs.status = 'pending'
        and (changed.deleted_at is not null or jobs.queue <> changed.queue)
        and jobs.created_at < now() - interval '2 seconds'
      order by jobs.id limit 500
    ) as jobs
    order by jobs.id limit 500`;
}

/** One change at a time, so that revisions become visible in order and queues have one owner. */
function changing<Result>(
  sql: Sql,
  { tenant, type }: JobTypeRef,
  check: CheckJobType,
  work: (tx: ISql, recorded: JobTypeRow | undefined) => Promise<Result>,
): Promise<Result> {
  return sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${changeLock})`;
    const [recorded] = await tx<JobTypeRow[]>`
      select ${columns(tx)} from job_types where tenant = ${tenant} and type = ${type}`;
    check(withoutDeleted(recorded));
    return work(tx, recorded);
  }) as Promise<Result>;
}

function withoutDeleted(row: JobTypeRow | undefined): JobTypeRow | undefined {
  return row?.deletedAt === null ? row : undefined;
}

async function isSame(tx: ISql, { tenant, type }: JobTypeRow, definition: string) {
  const rows = await tx`
    select from job_types
    where tenant = ${tenant} and type = ${type} and definition = ${definition}::text::jsonb`;
  return rows.length > 0;
}

/** A deleted type keeps its queue while jobs of it are pending, which happens only for a moment. */
async function isQueueTaken(
  tx: ISql,
  { tenant, type }: JobTypeRef,
  { queue, worker }: StoredRegistration,
) {
  const others = await tx<(JobTypeRef & { isDeleted: boolean })[]>`
    select tenant, type, deleted_at is not null as "isDeleted" from job_types
    where queue = ${queue} and (tenant, type) <> (${tenant}, ${type})
      and (tenant <> ${tenant} or definition ->> 'worker' <> ${worker} or ${worker} = 'push')`;
  for (const other of others) {
    if (!other.isDeleted || (await hasPendingJobs(tx, other))) return true;
  }
  return hasForeignJobs(tx, tenant, queue);
}

/** Whether another tenant's type has left the queue, but its pending jobs have not: a worker would get their data. */
async function hasForeignJobs(tx: ISql, tenant: string, queue: string) {
  const rows = await tx`
    select from job_types join jobs
      on jobs.tenant = job_types.tenant and jobs.type = job_types.type and jobs.status = 'pending'
    where job_types.tenant <> ${tenant} and job_types.version > 1 and job_types.queue <> ${queue}
      and jobs.queue = ${queue}
    limit 1`;
  return rows.length > 0;
}

async function isFull(tx: ISql, tenant: string, maxTypes: number) {
  const rows = await tx`
    select from job_types where tenant = ${tenant} and deleted_at is null limit ${maxTypes}`;
  return rows.length >= maxTypes;
}

async function isInUse(tx: ISql, ref: JobTypeRef) {
  return (await hasSchedules(tx, ref)) || (await hasPendingJobs(tx, ref));
}

async function hasPendingJobs(tx: ISql, { tenant, type }: JobTypeRef) {
  const rows = await tx`
    select from jobs where tenant = ${tenant} and type = ${type} and status = 'pending' limit 1`;
  return rows.length > 0;
}

async function hasSchedules(tx: ISql, { tenant, type }: JobTypeRef) {
  const rows = await tx`
    select from schedules where tenant = ${tenant} and type = ${type} limit 1`;
  return rows.length > 0;
}

function nextRevision(sql: ISql) {
  return sql`(select coalesce(max(revision), 0) + 1 from job_types)`;
}

function columns(sql: ISql) {
  return sql`
    job_types.tenant, job_types.type, job_types.queue, job_types.definition, job_types.version,
    job_types.revision::float8 as revision, job_types.created_at as "createdAt",
    job_types.updated_at as "updatedAt", job_types.deleted_at as "deletedAt"`;
}
