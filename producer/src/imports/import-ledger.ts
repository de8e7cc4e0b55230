import type { ImportColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql, TransactionSql } from "postgres";
import type { Import, ImportStatus } from "@toril/contract/api/import";
import { mayBeDeleted } from "@toril/contract/engine/postgres/retention-marks";
import { recordImportDone } from "@toril/contract/engine/webhooks/record-import-done";
import type { ImportProgress } from "./import-chunk.ts";
import type { Ledgers } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";
import { requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";

/** Runs first in a transaction. Throws if another request has taken over. May run again if a reply was lost. */
type SaveCheckpoint = (tx: ISql) => Promise<void>;

export interface ImportLedger {
  save(progress: ImportProgress, saveCheckpoint: SaveCheckpoint): Promise<void>;
  /**
   * Saves the final progress.
   * @param alongside runs in the same transaction; it may run again if a reply was lost
   */
  finish(
    progress: ImportProgress,
    saveCheckpoint: SaveCheckpoint,
    alongside: (tx: TransactionSql, saved: Import) => Promise<void>,
  ): Promise<Import>;
  /** Returns the progress of an import whose body was not read to its end. */
  findUnfinished(tenant: string, id: string): Promise<ImportProgress | undefined>;
  /** Marks the import as receiving again. */
  reopen(interrupted: ImportProgress, saveCheckpoint: SaveCheckpoint): Promise<void>;
  /** Marks the body as still being read. */
  touch(id: string): Promise<void>;
  find(tenant: string, id: string): Promise<Import | undefined>;
  /** Returns why `find` returned nothing. */
  getMissingReason(tenant: string, id: string): Promise<"import-gone" | "import-not-found">;
  /** Returns those that exist, of any tenant. */
  findMany(ids: readonly string[]): Promise<Import[]>;
}

/** An import not touched for this long was abandoned by a producer that died. */
const abandonedAfter = "60 seconds";

function columns(sql: ISql) {
  return sql`
    id, type, status, read, accepted, duplicate, rejected, completed, dead, cancelled, expired, errors,
    created_at as "createdAt", touched_at < now() - ${abandonedAfter}::interval as "isAbandoned"`;
}

/** The errors of rows only: the last error of a failed import says why the import failed. */
function selectRowErrors(sql: ISql) {
  return sql`case status when 'failed' then errors - -1 else errors end`;
}

export function createImportLedger(
  { accepting, background }: Pick<Ledgers, "accepting" | "background">,
  reads: Pick<Reads, "run">,
): ImportLedger {
  const inTransaction = <Result>(work: (tx: TransactionSql) => Promise<Result>) =>
    accepting.run((sql) => sql.begin(work) as Promise<Result>);

  return {
    save: (progress, saveCheckpoint) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        await saveImport(tx, progress);
      }),
    touch: (id) =>
      background.run(async (sql) => {
        await sql`update imports set touched_at = now() where id = ${id}`;
      }),
    finish: (progress, saveCheckpoint, alongside) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        await saveImport(tx, progress);
        await recordImportDone(tx, progress.id);
        const saved = await findImport(tx, progress.tenant, progress.id);
        if (saved === undefined) throw new Error("the import was not inserted");
        await alongside(tx, saved);
        return saved;
      }),
    findUnfinished: (tenant, id) =>
      accepting.run(async (sql) => {
        const [row] = await sql<ImportProgress[]>`
          select id, tenant, type, 'receiving' as status, read, accepted, duplicate, rejected, ${selectRowErrors(sql)} as errors
          from imports where id = ${id} and tenant = ${tenant} and status <> 'received'`;
        return row;
      }),
    reopen: ({ id }, saveCheckpoint) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        await tx`
          update imports set status = 'receiving', errors = ${selectRowErrors(tx)}, touched_at = now()
          where id = ${id} and status <> 'received'`;
      }),
    find: (tenant, id) => reads.run(tenant, (sql) => findImport(sql, tenant, id)),
    getMissingReason: (tenant, id) =>
      reads.run(tenant, async (sql) =>
        (await mayBeDeleted(sql, "import", { tenant, id })) ? "import-gone" : "import-not-found",
      ),
    findMany: (ids) =>
      background.run(async (sql) => {
        const rows = await sql<ImportRow[]>`
          select ${columns(sql)} from imports where id = any(${[...ids]}::uuid[])`;
        return rows.map(toImport);
      }),
  };
}

/**
 * Saves an import's progress, also in the transaction that records the jobs it counts. A transaction that was thought
 * lost and commits late cannot revert newer progress.
 * @returns false if more rows were read already, or the import is closed
 */
export async function saveImport(sql: ISql, progress: ImportProgress): Promise<boolean> {
  const { id, tenant, type, status, read, accepted, duplicate, rejected, errors } = progress;
  const { count } = await sql`
    insert into imports (id, tenant, type, status, read, accepted, duplicate, rejected, errors)
    values (${id}, ${tenant}, ${type}, ${status}, ${read}, ${accepted}, ${duplicate}, ${rejected},
            ${JSON.stringify(errors)}::text::jsonb)
    on conflict (id) do update set
      status = excluded.status, read = excluded.read, accepted = excluded.accepted,
      duplicate = excluded.duplicate, rejected = excluded.rejected, errors = excluded.errors,
      touched_at = now()
    where imports.status = 'receiving' and imports.read <= excluded.read`;
  return count > 0;
}

async function findImport(sql: ISql, tenant: string, id: string): Promise<Import | undefined> {
  const [row] = await sql<ImportRow[]>`
    select ${columns(sql)} from imports where id = ${id} and tenant = ${tenant}`;
  return row && toImport(row);
}

type ImportRow = Omit<ImportColumns, "tenant" | "touchedAt"> & {
  /** Whether no chunk has arrived for long. */
  isAbandoned: boolean;
};

function toImport(row: ImportRow): Import {
  const { read, accepted, duplicate, rejected, completed, dead, cancelled, expired } = row;
  return {
    id: row.id,
    type: row.type,
    status: getStatus(row),
    counts: { read, accepted, duplicate, rejected, completed, dead, cancelled, expired },
    errors: row.errors,
    createdAt: row.createdAt.toISOString(),
  };
}

/** `done` is computed from the counters that consumers increment when they settle jobs; it is not stored. */
function getStatus(row: ImportRow): ImportStatus {
  if (row.status === "failed") return "failed";
  if (row.status === "receiving") return row.isAbandoned ? "failed" : "receiving";
  if (row.read > 0 && row.rejected === row.read) return "failed";
  const ended = row.completed + row.dead + row.cancelled + row.expired;
  return ended < row.accepted ? "running" : "done";
}

/** Returns the import that a request names. Throws a problem if it does not exist or is not permitted. */
export async function requireImport(
  imports: Pick<ImportLedger, "find" | "getMissingReason">,
  context: RequestContext,
  id: string,
): Promise<Import> {
  const { tenant } = context.principal;
  const row = await imports.find(tenant, id);
  if (row === undefined) throw new ProblemError(await imports.getMissingReason(tenant, id));
  requirePermitted(context, { type: row.type, queue: context.jobTypes.getQueue(row.type) });
  return row;
}
