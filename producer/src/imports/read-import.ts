import { limits } from "@toril/contract/api/limits";
import type { Import, ImportStatus } from "@toril/contract/api/import";
import type { ImportColumns } from "@toril/contract/engine/postgres/tables";
import { importAbandonedAfter } from "@toril/contract/engine/jobs/graph/then-job";
import type { ISql } from "postgres";
import type { ImportViewer } from "../http/caller.ts";

export interface ImportListQuery {
  /** Lists only older ids. */
  before: string | undefined;
  limit: number;
  status: ImportStatus | undefined;
  type: string | undefined;
}

export interface ImportList {
  items: Import[];
  /** The last import that was examined; undefined if there are no more. */
  next: string | undefined;
}

/** Maximum number of imports examined for a page. */
const maxExamined = 1000;

function columns(sql: ISql) {
  return sql`
    id, type, ${selectStatus(sql)} as status, read, accepted, duplicate, rejected, completed, dead, cancelled, expired, errors,
    created_at as "createdAt", dry_run as "dryRun", then_job as "thenJob", parts as "totalParts",
    extract(epoch from now() - created_at)::float8 as age,
    case when definition is not null then (
      select jsonb_build_object(
        'received', coalesce(jsonb_agg(part order by part) filter (where status = 'received'), '[]'), 'last', coalesce(max(part), 0),
        'read', coalesce(sum(read) filter (where status <> 'received'), 0),
        'accepted', coalesce(sum(accepted) filter (where status <> 'received'), 0),
        'duplicate', coalesce(sum(duplicate) filter (where status <> 'received'), 0),
        'rejected', coalesce(sum(rejected) filter (where status <> 'received'), 0))
      from import_parts where import_id = imports.id
    ) end as parts`;
}

/** `running` and `done` follow from the counters that consumers increment when they settle jobs; they are not stored. */
function selectStatus(sql: ISql) {
  return sql`
    case when status in ('failed', 'cancelled') then status
      when status = 'receiving' then
        case when definition is null and touched_at < now() - ${importAbandonedAfter}::interval then 'failed' else 'receiving' end
      when read > 0 and rejected = read then 'failed'
      when not dry_run and completed + dead + cancelled + expired < accepted then 'running'
      else 'done' end`;
}

export async function findImport(
  sql: ISql,
  tenant: string,
  id: string,
): Promise<Import | undefined> {
  const [row] = await sql<ImportRow[]>`
    select ${columns(sql)} from imports where id = ${id} and tenant = ${tenant}`;
  return row && toImport(row);
}

/** Examines a bounded number of imports, because no index has the derived status. */
export async function listImports(
  sql: ISql,
  { tenant, types, hidden }: ImportViewer,
  { before, limit, status, type }: ImportListQuery,
): Promise<ImportList> {
  const rows = await sql<(ImportRow & { isMatch: boolean })[]>`
    select *, (${status ?? null}::text is null or status = ${status ?? null})
      and (${type ?? null}::text is null or type = ${type ?? null})
      and (${types ?? null}::text[] is null or type = any(${types ?? null}::text[]))
      and type <> all(${[...hidden]}::text[]) as "isMatch"
    from (
      select ${columns(sql)} from imports where tenant = ${tenant} ${before ? sql`and id < ${before}` : sql``}
      order by tenant desc, id desc limit ${maxExamined + 1}
    ) as examined order by id desc`;
  const items: Import[] = [];
  for (const [index, { isMatch, ...row }] of rows.entries()) {
    if (isMatch) items.push(toImport(row));
    const isLast = index === rows.length - 1;
    if (!isLast && (items.length === limit || index === maxExamined - 1)) {
      return { items, next: row.id };
    }
  }
  return { items, next: undefined };
}

type ImportRow = Pick<
  ImportColumns,
  | "id"
  | "type"
  | "read"
  | "accepted"
  | "duplicate"
  | "rejected"
  | "completed"
  | "dead"
  | "cancelled"
  | "expired"
  | "errors"
  | "createdAt"
  | "dryRun"
  | "thenJob"
> & {
  /** Seconds since its creation. */
  age: number;
  status: ImportStatus;
  totalParts: number | null;
  parts: SentParts | null;
};

/** The parts of an import: the counts are those of parts that are not received yet, which the import does not include. */
interface SentParts {
  received: number[];
  last: number;
  read: number;
  accepted: number;
  duplicate: number;
  rejected: number;
}

const noParts: Omit<SentParts, "received" | "last"> = {
  read: 0,
  accepted: 0,
  duplicate: 0,
  rejected: 0,
};

function toImport(imported: ImportRow): Import {
  const { parts, totalParts, ...row } = imported;
  const { completed, dead, cancelled, expired } = row;
  const open = parts ?? noParts;
  return {
    id: row.id,
    type: row.type,
    status: row.status,
    counts: {
      read: row.read + open.read,
      accepted: row.accepted + open.accepted,
      duplicate: row.duplicate + open.duplicate,
      rejected: row.rejected + open.rejected,
      completed,
      dead,
      cancelled,
      expired,
    },
    errors: row.errors,
    parts: parts && {
      total: totalParts,
      received: parts.received.length,
      missing: findMissing(parts.received, totalParts ?? parts.last),
    },
    dryRun: row.dryRun,
    then: row.thenJob,
    ...getPace(imported),
    createdAt: row.createdAt.toISOString(),
  };
}

/** Returns the rate of ended jobs since the creation, and the time left at that rate. */
function getPace(row: ImportRow): Pick<Import, "jobsPerSecond" | "secondsLeft"> {
  const { status, accepted, completed, dead, cancelled, expired, age } = row;
  const ended = completed + dead + cancelled + expired;
  if (status !== "running" || ended === 0 || age <= 0) {
    return { jobsPerSecond: null, secondsLeft: null };
  }
  const jobsPerSecond = ended / age;
  return {
    jobsPerSecond: Math.round(jobsPerSecond * 10) / 10,
    secondsLeft: Math.ceil((accepted - ended) / jobsPerSecond),
  };
}

function findMissing(received: readonly number[], last: number): number[] {
  const known = new Set(received);
  const missing: number[] = [];
  for (let part = 1; part <= last && missing.length < limits.importErrors; part += 1) {
    if (!known.has(part)) missing.push(part);
  }
  return missing;
}

/** Returns those that exist, of any tenant. */
export async function findImports(sql: ISql, ids: readonly string[]): Promise<Import[]> {
  const rows = await sql<ImportRow[]>`
    select ${columns(sql)} from imports where id = any(${[...ids]}::uuid[])`;
  return rows.map(toImport);
}
