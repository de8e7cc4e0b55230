import type { ISql, TransactionSql } from "postgres";
import type { Import } from "@toril/contract/api/import";
import type { ImportViewer } from "../http/caller.ts";
import { recordImportAborted } from "@toril/contract/engine/jobs/graph/graph-events";
import { reopenThenJob } from "@toril/contract/engine/jobs/graph/then-job";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { mayBeDeleted } from "@toril/contract/engine/postgres/retention-marks";
import { recordImportDone } from "@toril/contract/engine/webhooks/record-events";
import {
  findImport,
  findImports,
  type ImportList,
  type ImportListQuery,
  listImports,
} from "./read-import.ts";
import { type ReportedRow, selectErrors } from "./error-ledger.ts";
import { completeImport, insertDefinition } from "./define-import.ts";
import type { ImportProgress } from "./chunks/import-chunk.ts";
import type { Ledgers } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";
import { requirePermitted } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import { insertThen } from "../jobs/then-job.ts";

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
  /**
   * Inserts an import whose id the client chose, so that the import can be read before its first row is recorded.
   * @returns false if the id is taken
   */
  claim(progress: ImportProgress, saveCheckpoint: SaveCheckpoint): Promise<boolean>;
  /** Returns the progress of an import whose body was not read to its end. Throws a problem if it is cancelled. */
  findUnfinished(tenant: string, id: string): Promise<ImportProgress | undefined>;
  /** Marks the import as receiving again. */
  reopen(interrupted: ImportProgress, saveCheckpoint: SaveCheckpoint): Promise<void>;
  /** Marks the body as still being read. */
  touch(id: string): Promise<void>;
  find(tenant: string, id: string): Promise<Import | undefined>;
  /** Returns why `find` returned nothing. */
  getMissingReason(tenant: string, id: string): Promise<"import-gone" | "import-not-found">;
  /** Lists the imports that the viewer may see, newest first. */
  list(viewer: ImportViewer, page: ImportListQuery): Promise<ImportList>;
  /** Inserts an import that waits for its parts, in a given transaction. Throws a problem if the id is taken. */
  define: typeof insertDefinition;
  /** Marks an import as received. Throws a problem if parts are missing. */
  complete(of: { tenant: string; id: string }, parts: number): Promise<Import>;
  /** Yields the rejected rows of an import in pages. */
  errors(of: { tenant: string; id: string }): AsyncIterable<readonly ReportedRow[]>;
  /** Accepts no more rows from now on. Returns false if the import has ended and has no pending jobs. */
  cancel(tenant: string, id: string): Promise<boolean>;
  /** Returns those that exist, of any tenant. */
  findMany(ids: readonly string[]): Promise<Import[]>;
}

/** The errors of rows only: the last error of a failed import says why the import failed. */
function selectRowErrors(sql: ISql) {
  return sql`case status when 'failed' then errors - -1 else errors end`;
}

const errorPage = 500;

export function createImportLedger(
  { accepting, changing, background }: Pick<Ledgers, "accepting" | "changing" | "background">,
  reads: Pick<Reads, "run">,
): ImportLedger {
  const inTransaction = <Result>(work: (tx: TransactionSql) => Promise<Result>) =>
    accepting.run((sql) => sql.begin(work) as Promise<Result>);

  const inChange = <Result>(tenant: string, work: (tx: TransactionSql) => Promise<Result>) =>
    changing.run(tenant, (sql) => sql.begin(work) as Promise<Result>);

  return {
    save: (progress, saveCheckpoint) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        await saveImport(tx, progress);
        await recordImportAborted(tx, progress.id);
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
    claim: (progress, saveCheckpoint) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        const { id, tenant, type, dryRun, callback, thenJob } = progress;
        const { count } = await tx`
          insert into imports (id, tenant, type, dry_run, callback_url, callback_webhook, then_job)
          values (${id}, ${tenant}, ${type}, ${dryRun}, ${callback?.url ?? null}, ${callback?.webhook ?? null}, ${thenJob?.id ?? null})
          on conflict (id) do nothing`;
        if (count > 0 && thenJob) await insertThen(tx, thenJob);
        return count > 0 || (thenJob !== undefined && (await isRecorded(tx, id, thenJob)));
      }),
    findUnfinished: (tenant, id) =>
      accepting.run(async (sql) => {
        const [row] = await sql<ImportProgress[]>`
          select id, tenant, type, status, read, accepted, duplicate, rejected, ${selectRowErrors(sql)} as errors, dry_run as "dryRun"
          from imports where id = ${id} and tenant = ${tenant} and status <> 'received' and definition is null`;
        if (row?.status === "cancelled") throw new ProblemError("import-ended");
        return row && { ...row, status: "receiving" };
      }),
    reopen: ({ id }, saveCheckpoint) =>
      inTransaction(async (tx) => {
        await saveCheckpoint(tx);
        await tx`
          update imports set status = 'receiving', errors = ${selectRowErrors(tx)}, touched_at = now()
          where id = ${id} and status in ('receiving', 'failed')`;
        await reopenThenJob(tx, id);
      }),
    find: (tenant, id) => reads.run(tenant, (sql) => findImport(sql, tenant, id)),
    getMissingReason: (tenant, id) =>
      reads.run(tenant, async (sql) =>
        (await mayBeDeleted(sql, "import", { tenant, id })) ? "import-gone" : "import-not-found",
      ),
    list: (viewer, query) => reads.run(viewer.tenant, (sql) => listImports(sql, viewer, query)),
    async *errors({ tenant, id }) {
      let after = { part: 0, row: 0 };
      for (;;) {
        const rows = await reads.run(tenant, (sql) => selectErrors(sql, id, after, errorPage));
        if (rows.length > 0) yield rows;
        const last = rows.at(-1);
        if (last === undefined || rows.length < errorPage) return;
        after = last;
      }
    },
    cancel: (tenant, id) =>
      inChange(tenant, async (tx) => {
        const { count } = await tx`
          update imports set status = 'cancelled'
          where id = ${id} and tenant = ${tenant}
            and (status in ('receiving', 'cancelled') or not dry_run and completed + dead + cancelled + expired < accepted)`;
        await recordImportAborted(tx, id);
        // Waits for chunks in progress, whose requests find that they no longer own their parts.
        await tx`update import_parts set status = 'failed' where import_id = ${id} and status = 'receiving'`;
        return count > 0;
      }),
    define: insertDefinition,
    complete: (of, parts) => inChange(of.tenant, (tx) => completeImport(tx, of, parts)),
    findMany: (ids) => background.run((sql) => findImports(sql, ids)),
  };
}

/**
 * Saves an import's progress, also in the transaction that records the jobs it counts. A transaction that was thought
 * lost and commits late cannot revert newer progress.
 * @returns false if more rows were read already, or the import is closed
 */
export async function saveImport(sql: ISql, progress: ImportProgress): Promise<boolean> {
  const { id, tenant, type, status, read, accepted, duplicate, rejected, errors, dryRun } =
    progress;
  const { callback } = progress;
  const { count } = await sql`
    insert into imports (id, tenant, type, status, read, accepted, duplicate, rejected, errors, dry_run, callback_url, callback_webhook)
    values (${id}, ${tenant}, ${type}, ${status}, ${read}, ${accepted}, ${duplicate}, ${rejected},
            ${JSON.stringify(errors)}::text::jsonb, ${dryRun}, ${callback?.url ?? null}, ${callback?.webhook ?? null})
    on conflict (id) do update set
      status = excluded.status, read = excluded.read, accepted = excluded.accepted,
      duplicate = excluded.duplicate, rejected = excluded.rejected, errors = excluded.errors,
      touched_at = now()
    where imports.status = 'receiving' and imports.read <= excluded.read`;
  return count > 0;
}

/** Whether the import was inserted together with this job by an earlier try, whose reply was lost. */
async function isRecorded(sql: ISql, id: string, { id: job }: NewJob): Promise<boolean> {
  const { count } = await sql`select from imports where id = ${id} and then_job = ${job}`;
  return count > 0;
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
