import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ISql } from "postgres";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { NewJob, Origin } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { Callback } from "@toril/contract/engine/webhooks/callbacks";
import type { Import } from "@toril/contract/api/import";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { createChunkWriter } from "./chunks/chunk-writer.ts";
import { createProgress, type FileEntry, type FilePart } from "./chunks/import-chunk.ts";
import { createEntryWriter } from "./chunks/entry-writer.ts";
import { insertErrors, wholeFile } from "./error-ledger.ts";
import {
  InvalidFileError,
  isRefusal,
  retryRefused,
  toImportError,
  toImportProblem,
} from "./import-errors.ts";
import { type ImportLedger, saveImport } from "./import-ledger.ts";
import { requireFewErrors } from "./max-errors.ts";
import { ProblemError } from "../http/problem.ts";
import type { StoreResponse } from "../idempotency/idempotency.ts";
import type { BlockingReservation } from "../quotas/quota-reservation.ts";

export interface ImportFile {
  type: string;
  /** Chosen by the client. */
  id?: string | undefined;
  dryRun?: boolean;
  /** The import fails when more rows are rejected. */
  maxErrors?: number | undefined;
  callback?: Callback | null | undefined;
  /** Runs when the import is done. */
  thenJob?: NewJob | undefined;
  origin: Origin;
  chunks(importId: string): AsyncIterable<readonly FileEntry[]>;
  /** Limits how fast the jobs are recorded. */
  quota?: BlockingReservation | undefined;
  /** Stores the response, in the transaction that marks the file as read. */
  storeResponse: StoreResponse;
  resume: ResumableImport;
}

/** Lets an import that is sent again with its Idempotency-Key resume where the first request was interrupted. */
export interface ResumableImport {
  /** The import that the interrupted request began. */
  importId: string | undefined;
  /** Whether the body has matched the interrupted request's prefix. */
  isVerified(): boolean;
  /** Runs first in each transaction that saves the import. Throws if another request has taken over. */
  saveCheckpoint(tx: ISql, importId: string): Promise<void>;
}

/** The response to an import request. */
export interface ImportResponse {
  /** 202: recorded; Redis is unavailable, the jobs will be dispatched later. */
  status: 201 | 202;
  body: Import;
}

export interface FileImporter {
  run(file: ImportFile): Promise<ImportResponse>;
  /** Resolves when no import is in progress. An import outlives its request if the client disconnects. */
  waitForImports(): Promise<unknown>;
}

/** Well below the age at which an import counts as abandoned. */
const touchEveryMs = 20_000;

/**
 * Imports files of any size in chunks. A chunk's transaction also saves the number of rows read, so that a file sent
 * again resumes after them; job ids derive from import and row. A failure in the first chunk leaves nothing; a later
 * failure, or a disconnect, leaves an import with status `failed`.
 */
export function createFileImporter(
  jobTypes: JobTypeRegistry,
  enqueue: Enqueue,
  imports: ImportLedger,
  secretKeys: KeyRing | undefined,
): FileImporter {
  async function importFile(file: ImportFile): Promise<ImportResponse> {
    const { type, origin, quota, storeResponse, resume } = file;
    const { tenant } = origin;
    const interruptedId = resume.importId;
    const interrupted =
      interruptedId === undefined ? undefined : await imports.findUnfinished(tenant, interruptedId);
    const id = interrupted?.id ?? file.id ?? createJobId();
    const saveCheckpoint = (tx: ISql) => resume.saveCheckpoint(tx, id);
    const writer = createChunkWriter(interrupted ?? createProgress(id, tenant, type, file), {
      enqueue,
      saveCheckpoint,
      async save(tx, progress, { rejected }) {
        if (!(await saveImport(tx, progress))) return false;
        const of = { importId: id, part: wholeFile };
        await insertErrors(tx, of, rejected, progress.rejected);
        return true;
      },
      quota,
      isDryRun: file.dryRun ?? false,
    });
    const entryWriter = createEntryWriter({
      writer,
      jobTypes,
      secretKeys,
      of: { id, tenant, type },
      origin,
      maxJobs: quota?.maxJobs,
    });
    /** Whether this request may already change the import's row. */
    let isOpen = interrupted === undefined;
    let isReopened = false;
    let isClaimed = false;
    const isSaved = () => isClaimed || isReopened || writer.isSaved;
    // A failed touch is repeated by the next one.
    const touchTimer = setInterval(() => {
      if (isSaved()) void imports.touch(id).catch(() => {});
    }, touchEveryMs);

    async function open() {
      if (interrupted !== undefined && !isOpen) {
        await retryRefused(() => imports.reopen(interrupted, saveCheckpoint));
        isReopened = true;
      }
      isOpen = true;
    }

    async function claim() {
      const work = () => retryRefused(() => imports.claim(writer.progress, saveCheckpoint));
      isClaimed = await (quota === undefined || file.thenJob === undefined
        ? work()
        : quota.withReserved(1, work));
      if (!isClaimed) throw new ProblemError("import-exists");
    }

    try {
      if ((file.id ?? file.thenJob) !== undefined && interrupted === undefined) await claim();
      for await (const unread of unreadParts(file.chunks(id), writer.progress.read, resume)) {
        await open();
        await entryWriter.add(unread);
        requireFewErrors(writer.progress, file.maxErrors);
      }
      await open();
      await entryWriter.flush();
      await writer.recorded();
      requireFewErrors(writer.progress, file.maxErrors);
      await writer.dispatched();
      const status = writer.isDispatched ? 201 : 202;
      const received = { ...writer.progress, status: "received" as const };
      const body = await retryRefused(() =>
        imports.finish(received, saveCheckpoint, (tx, saved) =>
          storeResponse(tx, { status, body: saved }),
        ),
      );
      return { status, body };
    } catch (error) {
      await writer.recorded().catch(() => {});
      if (!isOpen) throw toImportProblem(error, id);
      const isIncomplete = error instanceof ProblemError && error.kind === "incomplete-body";
      if (!isSaved() && !isIncomplete) throw toImportProblem(error);
      if (isIncomplete || error instanceof InvalidFileError) {
        await entryWriter.flush();
        await writer.recorded();
      }
      const { progress } = writer;
      const errors = [...progress.errors, toImportError(error)];
      const save = () => imports.save({ ...progress, status: "failed", errors }, saveCheckpoint);
      // If this fails too, the import counts as failed once it is no longer touched.
      await (isRefusal(error) ? save() : retryRefused(save)).catch(() => {});
      throw toImportProblem(error, id);
    } finally {
      await writer.dispatched();
      clearInterval(touchTimer);
    }
  }

  const running = new Set<Promise<unknown>>();
  return {
    async run(file) {
      const run = importFile(file);
      running.add(run);
      try {
        return await run;
      } finally {
        running.delete(run);
      }
    },
    waitForImports: () => Promise.allSettled(running),
  };
}

/** Yields the entries that were not read before, and only after the body's prefix has been verified. */
async function* unreadParts(
  chunks: AsyncIterable<readonly FileEntry[]>,
  alreadyRead: number,
  { isVerified }: ResumableImport,
): AsyncGenerator<FilePart> {
  let read = 0;
  let waiting: FilePart[] = [];
  for await (const entries of chunks) {
    const skipped = Math.min(entries.length, Math.max(0, alreadyRead - read));
    if (skipped < entries.length) {
      waiting.push({ entries: entries.slice(skipped), firstNumber: read + skipped + 1 });
    }
    read += entries.length;
    if (!isVerified()) continue;
    yield* waiting;
    waiting = [];
  }
  if (!isVerified()) throw new ProblemError("idempotency-key-reused");
  yield* waiting;
}
