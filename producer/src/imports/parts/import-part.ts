import { type ImportPart, toDelimiter } from "@toril/contract/api/import";
import type { JobType } from "@toril/contract/api/job-type";
import { limits } from "@toril/contract/api/limits";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { Origin } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { ProblemError } from "../../http/problem.ts";
import type { BlockingReservation } from "../../quotas/quota-reservation.ts";
import { createChunkWriter } from "../chunks/chunk-writer.ts";
import { createEntryWriter } from "../chunks/entry-writer.ts";
import { insertErrors } from "../error-ledger.ts";
import type { FileEntry, ImportProgress } from "../chunks/import-chunk.ts";
import { InvalidFileError, retryRefused, toImportProblem } from "../import-errors.ts";
import type { ClaimedPart, PartedImport, PartLedger, SentPart } from "./part-ledger.ts";
import { readCsvEntries, readObjectEntries } from "../formats/read-file.ts";
import { readNdjson } from "../formats/read-ndjson.ts";
import { type RowFormat, toProblemKind } from "../formats/row-file.ts";

export interface PartRequest {
  of: PartedImport;
  jobType: JobType;
  sent: SentPart;
  body: Uint8Array;
  origin: Origin;
  quota: BlockingReservation | undefined;
}

export interface PartResponse {
  /** 200: the part was received before. */
  status: 200 | 201;
  body: ImportPart;
}

export interface PartImporter {
  /** Records the rows of a part, in chunks. A part that is sent again continues after its last recorded row. */
  run(request: PartRequest): Promise<PartResponse>;
}

export interface PartImporterDeps {
  jobTypes: JobTypeRegistry;
  enqueue: Enqueue;
  parts: PartLedger;
  secretKeys: KeyRing | undefined;
}

/** Well below the age at which a part counts as abandoned. */
const touchEveryMs = 1500;

export function createPartImporter(deps: PartImporterDeps): PartImporter {
  const { jobTypes, enqueue, parts, secretKeys } = deps;

  async function receive(
    request: PartRequest,
    claim: ClaimedPart,
    from: ImportProgress,
  ): Promise<ImportPart> {
    const { of, sent, origin, quota } = request;
    const { id } = of;
    const numberBefore = (sent.part - 1) * limits.importPartRows;
    const writer = createChunkWriter(from, {
      enqueue,
      saveCheckpoint: async () => {},
      save: async (sql, progress, { rejected }) => {
        await parts.save(sql, claim, progress);
        await insertErrors(sql, { importId: id, part: sent.part }, rejected, progress.rejected);
        return true;
      },
      quota,
      isDryRun: of.definition.dryRun,
    });
    const entryWriter = createEntryWriter({
      writer,
      jobTypes,
      secretKeys,
      of,
      origin,
      maxJobs: quota?.maxJobs,
      part: sent.part,
    });
    // A failed touch is repeated; after several, another producer may take the part over.
    const touchTimer = setInterval(() => void parts.touch(claim).catch(() => {}), touchEveryMs);
    let checkedErrors = 0;
    async function requireFewErrors() {
      if (writer.progress.rejected === checkedErrors) return;
      checkedErrors = writer.progress.rejected;
      await parts.requireFewErrors(of);
    }
    try {
      let read = 0;
      for await (const entries of readEntries(request, numberBefore)) {
        const firstNumber = numberBefore + read + 1;
        read += entries.length;
        requireRows(read, entries, of.definition.format);
        const known = Math.max(
          0,
          Math.min(entries.length, from.read + numberBefore + 1 - firstNumber),
        );
        if (known === entries.length) continue;
        await entryWriter.add({ entries: entries.slice(known), firstNumber: firstNumber + known });
        await requireFewErrors();
      }
      await entryWriter.flush();
      await writer.recorded();
      await requireFewErrors();
      return await retryRefused(() =>
        parts.finish(claim, { ...writer.progress, status: "received" }),
      );
    } catch (error) {
      await writer.recorded().catch(() => {});
      if (error instanceof InvalidFileError) await entryWriter.flush().catch(() => {});
      await writer.recorded().catch(() => {});
      // If this fails too, the part counts as abandoned once it is no longer touched.
      await parts.release(claim).catch(() => {});
      throw toPartProblem(error, sent.part);
    } finally {
      await writer.dispatched();
      clearInterval(touchTimer);
    }
  }

  async function* readEntries(
    { of, jobType, sent, body }: PartRequest,
    rowsBefore: number,
  ): AsyncGenerator<FileEntry[]> {
    const { id, definition, header } = of;
    if (definition.format === "ndjson") {
      yield* readObjectEntries(readNdjson([body]), {
        jobType,
        importId: id,
        rowsBefore,
        rowOptions: definition,
      });
      return;
    }
    const isFirst = sent.part === 1;
    const hasHeader = isFirst && definition.header !== "absent";
    const charset = isFirst ? definition.encoding : header?.charset;
    yield* readCsvEntries([body], {
      jobType,
      importId: id,
      rowsBefore,
      rowOptions: definition,
      delimiter: toDelimiter(definition.delimiter),
      hasHeader,
      isHeaderCertain: definition.header === "present",
      columns: definition.columns ?? header?.columns ?? undefined,
      isContinuation: !isFirst,
      sepLine: isFirst ? "agrees" : undefined,
      ...(charset === undefined ? {} : { charset }),
      ...(hasHeader && header === null
        ? {
            onHeader: (columns, charset) =>
              retryRefused(() => parts.saveHeader(id, { columns, charset })),
          }
        : {}),
    });
  }

  return {
    async run(request) {
      const { of, sent } = request;
      if (sent.part > 1 && of.header === null) {
        throw new ProblemError("import-header-missing", undefined, undefined, {
          headers: { "Retry-After": "1" },
        });
      }
      const claimed = await retryRefused(() => parts.claim(of, sent));
      if (claimed.status === "received") return { status: 200, body: claimed.part };
      return { status: 201, body: await receive(request, claimed.claim, claimed.progress) };
    },
  };
}

function requireRows(read: number, entries: readonly FileEntry[], format: RowFormat): void {
  if (read <= limits.importPartRows) return;
  const line = entries[0]?.line ?? 0;
  throw new InvalidFileError(
    toProblemKind(format),
    line,
    `A part may have at most ${limits.importPartRows} rows.`,
  );
}

function toPartProblem(error: unknown, part: number): unknown {
  if (!(error instanceof InvalidFileError)) return toImportProblem(error);
  return toImportProblem(
    new InvalidFileError(error.kind, error.line, `${error.message} (part ${part})`),
  );
}
