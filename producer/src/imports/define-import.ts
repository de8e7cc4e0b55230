import type { Import, ImportDefinition } from "@toril/contract/api/import";
import type { Callback } from "@toril/contract/engine/webhooks/callbacks";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { ImportHeader, ImportPartColumns } from "@toril/contract/engine/postgres/tables";
import { recordImportDone } from "@toril/contract/engine/webhooks/record-events";
import type { ISql } from "postgres";
import { ProblemError } from "../http/problem.ts";
import { insertThen } from "../jobs/then-job.ts";
import { findImport } from "./read-import.ts";

export interface DefinedImport {
  tenant: string;
  id: string;
  callback: Callback | null;
  thenJob: NewJob | undefined;
}

/** Inserts an import that waits for its parts, and the job that waits for it. Throws a problem if the id is taken. */
export async function insertDefinition(
  tx: ISql,
  { tenant, id, callback, thenJob }: DefinedImport,
  definition: ImportDefinition,
): Promise<Import> {
  const header = toHeader(definition);
  // The data of the job may contain secrets, and are stored with the job.
  const stored = { ...definition, then: undefined };
  const { count } = await tx`
    insert into imports (id, tenant, type, dry_run, callback_url, callback_webhook, then_job, definition, header)
    values (${id}, ${tenant}, ${definition.type}, ${definition.dryRun}, ${callback?.url ?? null},
            ${callback?.webhook ?? null}, ${thenJob?.id ?? null}, ${JSON.stringify(stored)}::text::jsonb,
            ${header === null ? null : JSON.stringify(header)}::text::jsonb)
    on conflict (id) do nothing`;
  if (count === 0) throw new ProblemError("import-exists");
  if (thenJob !== undefined) await insertThen(tx, thenJob);
  const saved = await findImport(tx, tenant, id);
  if (saved === undefined) throw new Error("the import was not inserted");
  return saved;
}

/** Returns null if the header in part 1 says how the rows are read. */
function toHeader(definition: ImportDefinition): ImportHeader | null {
  const { format, columns, header, encoding = "utf-8" } = definition;
  if (format === "csv" && columns === undefined && header !== "absent") return null;
  return { columns: columns ?? null, charset: encoding };
}

/** Marks an import as received if it has all parts. Throws a problem if some are missing, or the import has ended. */
export async function completeImport(
  tx: ISql,
  { tenant, id }: { tenant: string; id: string },
  parts: number,
): Promise<Import> {
  const [row] = await tx<{ status: string; parts: number | null; isParted: boolean }[]>`
    select status, parts, definition is not null as "isParted" from imports
    where id = ${id} and tenant = ${tenant} for update`;
  const isRepeated = row?.status === "received" && row.parts === parts;
  if (!isRepeated) {
    if (row?.status !== "receiving" || !row.isParted) throw new ProblemError("import-ended");
    await requireAllParts(tx, id, parts);
    await tx`update imports set status = 'received', parts = ${parts}, touched_at = now() where id = ${id}`;
    await recordImportDone(tx, id);
  }
  const saved = await findImport(tx, tenant, id);
  if (saved === undefined) throw new ProblemError("import-not-found");
  return saved;
}

const maxNamed = 20;

async function requireAllParts(tx: ISql, id: string, parts: number): Promise<void> {
  // Waits for chunks in progress; the request of such a part then finds that it no longer owns the part.
  await tx`
    update import_parts set status = 'failed' where import_id = ${id} and part > ${parts} and status = 'receiving'`;
  const sent = await tx<StoredPart[]>`
    select part, status, bytes, position::float8 as position, file_bytes::float8 as "fileBytes", ends_row as "endsRow"
    from import_parts
    where import_id = ${id} and (status = 'received' or read > 0) order by part`;
  const rows = sent.filter(({ status }) => status === "received");
  const received = new Set(rows.map(({ part }) => part));
  const missing: number[] = [];
  for (let part = 1; part <= parts && missing.length < maxNamed; part += 1) {
    if (!received.has(part)) missing.push(part);
  }
  if (missing.length > 0) throw toIncomplete(`Missing parts: ${missing.join(", ")}.`);
  const last = sent.at(-1)?.part ?? 0;
  if (last > parts) throw toIncomplete(`Part ${last} has rows, but ${parts} parts are declared.`);
  requireWholeFile(rows);
}

type StoredPart = Pick<
  ImportPartColumns,
  "part" | "status" | "bytes" | "position" | "fileBytes" | "endsRow"
>;

/** Throws a problem if the byte ranges of all parts, unless one has none, are not those of a file cut between rows. */
function requireWholeFile(parts: readonly StoredPart[]): void {
  let end = 0;
  let cut: number | undefined;
  for (const { part, bytes, position, endsRow } of parts) {
    if (position === null) return;
    if (position !== end) {
      throw toIncomplete(`Part ${part} begins at byte ${position} instead of ${end}.`);
    }
    if (cut !== undefined) {
      throw toIncomplete(
        `Part ${cut} ends within a row: cancel the import, and split the file between rows.`,
      );
    }
    end += bytes;
    if (!endsRow) cut = part;
  }
  const other = parts.find(({ fileBytes }) => fileBytes !== null && fileBytes !== end);
  if (other === undefined) return;
  throw toIncomplete(
    `The parts have ${end} bytes, but part ${other.part} is of a file of ${other.fileBytes} bytes.`,
  );
}

function toIncomplete(detail: string) {
  return new ProblemError("import-incomplete", detail);
}
