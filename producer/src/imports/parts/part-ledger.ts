import { randomUUID } from "node:crypto";
import type { ImportPart } from "@toril/contract/api/import";
import { limits } from "@toril/contract/api/limits";
import type {
  ImportColumns,
  ImportHeader,
  ImportPartColumns,
} from "@toril/contract/engine/postgres/tables";
import { recordImportAborted } from "@toril/contract/engine/jobs/graph/graph-events";
import type { ISql } from "postgres";
import { ProblemError } from "../../http/problem.ts";
import type { Ledgers } from "../../stores/postgres.ts";
import type { Reads } from "../../stores/reads.ts";
import type { ImportProgress } from "../chunks/import-chunk.ts";
import { requireFewErrors } from "../max-errors.ts";

/** An import that is sent in parts. */
export type PartedImport = Pick<ImportColumns, "id" | "tenant" | "type" | "status" | "header"> & {
  definition: NonNullable<ImportColumns["definition"]>;
};

/** What a request sends as a part. */
export type SentPart = Pick<
  ImportPartColumns,
  "part" | "digest" | "bytes" | "position" | "fileBytes" | "endsRow"
>;

/** A part that this request receives. */
export interface ClaimedPart {
  importId: string;
  part: number;
  owner: string;
}

export type PartClaim =
  | { status: "claimed"; claim: ClaimedPart; progress: ImportProgress }
  /** The same content was received before. */
  | { status: "received"; part: ImportPart };

export interface PartLedger {
  findImport(tenant: string, id: string): Promise<PartedImport | undefined>;
  /** Throws a problem if the import has ended, or the part has other content or is being received. */
  claim(of: PartedImport, sent: SentPart): Promise<PartClaim>;
  /** Saves the progress in the transaction that records the jobs. Throws a problem if another request has taken over. */
  save(sql: ISql, claim: ClaimedPart, progress: ImportProgress): Promise<void>;
  /** Stores how the parts of the file are read, once. */
  saveHeader(importId: string, header: ImportHeader): Promise<void>;
  finish(claim: ClaimedPart, progress: ImportProgress): Promise<ImportPart>;
  /** Throws a problem, and marks the import as failed, if more rows were rejected than it allows. */
  requireFewErrors(of: PartedImport): Promise<void>;
  /** Lets another request continue the part at once. */
  release(claim: ClaimedPart): Promise<void>;
  touch(claim: ClaimedPart): Promise<void>;
  /** @param after lists only parts with larger numbers */
  list(of: { tenant: string; id: string }, after: number, limit: number): Promise<ImportPart[]>;
}

/** The request that receives a part touches it more often; a silent one has died with its producer. */
const abandonedAfter = "5 seconds";
const retryAfterSeconds = "2";

export function createPartLedger(
  { accepting, background }: Pick<Ledgers, "accepting" | "background">,
  reads: Pick<Reads, "run">,
): PartLedger {
  const inTransaction = <Result>(work: (tx: ISql) => Promise<Result>) =>
    accepting.run((sql) => sql.begin(work) as Promise<Result>);

  return {
    findImport: (tenant, id) =>
      accepting.run(async (sql) => {
        const [row] = await sql<PartedImport[]>`
          select id, tenant, type, status, definition, header from imports
          where id = ${id} and tenant = ${tenant} and definition is not null`;
        return row;
      }),
    claim: (of, sent) => inTransaction((tx) => claimPart(tx, of, sent)),
    save: savePart,
    saveHeader: (importId, header) =>
      accepting.run(async (sql) => {
        await sql`
          update imports set header = ${JSON.stringify(header)}::text::jsonb
          where id = ${importId} and header is null`;
      }),
    finish: (claim, progress) =>
      inTransaction(async (tx) => {
        // The import is locked before its part, as by a cancellation.
        await tx`select from imports where id = ${claim.importId} for no key update`;
        await savePart(tx, claim, progress);
        await addToImport(tx, claim);
        const [part] = await selectParts(tx, claim.importId, claim.part - 1, 1);
        if (part === undefined) throw new Error("the part was not saved");
        return part;
      }),
    async requireFewErrors({ id, definition: { maxErrors } }) {
      if (maxErrors === undefined) return;
      const rejected = await accepting.run(async (sql) => {
        const [row] = await sql<{ rejected: number }[]>`
          select rejected + coalesce((
            select sum(rejected) from import_parts where import_id = ${id} and status <> 'received'), 0)::int as rejected
          from imports where id = ${id}`;
        const count = row?.rejected ?? 0;
        if (count > maxErrors) {
          await sql`update imports set status = 'failed' where id = ${id} and status = 'receiving'`;
          // Stops the requests that receive other parts.
          await sql`update import_parts set status = 'failed' where import_id = ${id} and status = 'receiving'`;
          await recordImportAborted(sql, id);
        }
        return count;
      });
      requireFewErrors({ rejected }, maxErrors);
    },
    release: ({ importId, part, owner }) =>
      accepting.run(async (sql) => {
        await sql`
          update import_parts set status = 'failed'
          where import_id = ${importId} and part = ${part} and owner = ${owner} and status = 'receiving'`;
      }),
    touch: ({ importId, part, owner }) =>
      background.run(async (sql) => {
        await sql`
          update import_parts set touched_at = now()
          where import_id = ${importId} and part = ${part} and owner = ${owner} and status = 'receiving'`;
      }),
    list: ({ tenant, id }, after, limit) =>
      reads.run(tenant, (sql) => selectParts(sql, id, after, limit)),
  };
}

async function claimPart(
  tx: ISql,
  { id, tenant, type, definition: { dryRun } }: PartedImport,
  { part, digest, bytes, position, fileBytes, endsRow }: SentPart,
): Promise<PartClaim> {
  // The lock waits for a cancellation in progress, and a later one waits for this claim.
  const [current] = await tx<Pick<ImportColumns, "status" | "parts">[]>`
    select status, parts from imports where id = ${id} for share`;
  const [existing] = await tx<Pick<ImportPartColumns, "status" | "digest">[]>`
    select status, digest from import_parts where import_id = ${id} and part = ${part}`;
  if (existing?.status === "received" && existing.digest === digest) {
    const [received] = await selectParts(tx, id, part - 1, 1);
    if (received !== undefined) return { status: "received", part: received };
  }
  if (current?.status !== "receiving") throw new ProblemError("import-ended");
  const owner = randomUUID();
  const [claimed] = await tx<PartProgress[]>`
    insert into import_parts as p (import_id, part, digest, bytes, position, file_bytes, ends_row, owner)
    values (${id}, ${part}, ${digest}, ${bytes}, ${position}, ${fileBytes}, ${endsRow}, ${owner})
    on conflict (import_id, part) do update set
      status = 'receiving', owner = excluded.owner, touched_at = now(), digest = excluded.digest, bytes = excluded.bytes,
      position = excluded.position, file_bytes = excluded.file_bytes, ends_row = excluded.ends_row, errors = case when p.digest = excluded.digest then p.errors else '[]' end
    where p.status <> 'received' and (p.digest = excluded.digest or p.read = 0)
      and (p.status = 'failed' or p.touched_at < now() - ${abandonedAfter}::interval)
    returning read, accepted, duplicate, rejected, errors`;
  if (claimed !== undefined) {
    const claim = { importId: id, part, owner };
    return {
      status: "claimed",
      claim,
      progress: { id, tenant, type, dryRun, status: "receiving", ...claimed },
    };
  }
  if (existing !== undefined && existing.digest !== digest) {
    throw new ProblemError("import-part-exists", `Part ${part} has other content.`);
  }
  throw new ProblemError("import-part-in-use", undefined, undefined, {
    headers: { "Retry-After": retryAfterSeconds },
  });
}

type PartProgress = Pick<
  ImportPartColumns,
  "read" | "accepted" | "duplicate" | "rejected" | "errors"
>;

async function savePart(sql: ISql, claim: ClaimedPart, progress: ImportProgress): Promise<void> {
  const { importId, part, owner } = claim;
  const { status, read, accepted, duplicate, rejected, errors } = progress;
  const { count } = await sql`
    update import_parts set status = ${status}, read = ${read}, accepted = ${accepted}, duplicate = ${duplicate},
      rejected = ${rejected}, errors = ${JSON.stringify(errors)}::text::jsonb, touched_at = now()
    where import_id = ${importId} and part = ${part} and owner = ${owner} and status = 'receiving'`;
  if (count > 0) return;
  const [row] = await sql<Pick<ImportColumns, "status">[]>`
    select status from imports where id = ${importId}`;
  throw row?.status === "receiving"
    ? new ProblemError(
        "import-part-in-use",
        "Another request has taken over the part.",
        undefined,
        {
          headers: { "Retry-After": retryAfterSeconds },
        },
      )
    : new ProblemError("import-ended");
}

/** Adds the counts of a part that was just received to its import. */
async function addToImport(tx: ISql, { importId, part }: ClaimedPart): Promise<void> {
  await tx`
    update imports set read = imports.read + p.read, accepted = imports.accepted + p.accepted,
      duplicate = imports.duplicate + p.duplicate, rejected = imports.rejected + p.rejected, touched_at = now(),
      errors = (
        select coalesce(jsonb_agg(error), '[]') from (
          select error from jsonb_array_elements(imports.errors || p.errors) as error limit ${limits.importErrors}
        ) as first)
    from import_parts as p
    where imports.id = ${importId} and p.import_id = ${importId} and p.part = ${part}`;
}

type PartRow = PartProgress &
  Pick<ImportPartColumns, "part" | "digest" | "bytes" | "position" | "status"> & {
    rowsBefore: number;
    receivedBefore: number;
  };

async function selectParts(
  sql: ISql,
  id: string,
  after: number,
  limit: number,
): Promise<ImportPart[]> {
  const rows = await sql<PartRow[]>`
    select * from (
      select part, status, digest, bytes, position::float8 as position, read, accepted, duplicate, rejected,
        coalesce(sum(read) over earlier, 0)::float8 as "rowsBefore",
        count(*) filter (where status = 'received') over earlier::int as "receivedBefore"
      from import_parts where import_id = ${id}
      window earlier as (order by part rows between unbounded preceding and 1 preceding)
    ) as parts where part > ${after} order by part limit ${limit}`;
  return rows.map((row) => ({
    number: row.part,
    status: row.status,
    offset: row.position,
    bytes: row.bytes,
    digest: `sha-256=:${Buffer.from(row.digest, "hex").toString("base64")}:`,
    counts: {
      read: row.read,
      accepted: row.accepted,
      duplicate: row.duplicate,
      rejected: row.rejected,
    },
    firstRow: row.receivedBefore === row.part - 1 ? row.rowsBefore + 1 : null,
  }));
}
