import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { type Problem, toProblem } from "@toril/contract/api/problem";
import { type EntryContext, parseEntry } from "../jobs/parse-bulk.ts";
import type { Accepted } from "@toril/contract/engine/jobs/enqueue/insert-entries";
import type { ImportError } from "@toril/contract/api/import";
import type { ImportColumns } from "@toril/contract/engine/postgres/tables";
import { limits } from "@toril/contract/api/limits";

/** A row or item of a file: the job request, or why the row could not be read. */
export type FileEntry =
  | { status: "ok"; line: number; request: unknown }
  | { status: "bad"; line: number; problem: Problem };

/** Maximum entries of one transaction. */
const maxEntries = 500;
const maxLength = 1_000_000;

export interface Chunk {
  /** The jobs with their lines in the file. */
  lines: Map<NewJob, number>;
  /** Total characters of the jobs' data. */
  length: number;
  read: number;
  errors: ImportError[];
}

export function createChunk(): Chunk {
  return { lines: new Map(), length: 0, read: 0, errors: [] };
}

/** Consecutive entries of a file. */
export interface FilePart {
  entries: readonly FileEntry[];
  /** The number of the first entry in the file, counted from 1. */
  firstNumber: number;
}

/**
 * Adds entries to a chunk, as jobs or as errors.
 * @param getJobId returns the job id for the number of an entry in the file
 */
export function addEntries(
  chunk: Chunk,
  { entries, firstNumber }: FilePart,
  { origin, ...context }: EntryContext,
  getJobId: (entry: number) => string,
): void {
  chunk.read += entries.length;
  for (const [index, entry] of entries.entries()) {
    const { line } = entry;
    const parsed =
      entry.status === "ok"
        ? parseEntry(entry.request, {
            ...context,
            origin: { ...origin, id: getJobId(firstNumber + index) },
          })
        : entry;
    if (parsed.status === "ok") {
      chunk.lines.set(parsed.job, line);
      chunk.length += parsed.job.data.length;
    } else {
      chunk.errors.push({ line, problem: parsed.problem });
    }
  }
}

export function isFull(chunk: Chunk): boolean {
  return chunk.read >= maxEntries || chunk.length >= maxLength;
}

/** Returns the chunk with the jobs that Postgres refused turned into errors. */
export function withoutRefused(chunk: Chunk, refused: readonly NewJob[]): Chunk {
  const lines = new Map(chunk.lines);
  const errors = [...chunk.errors];
  for (const job of refused) {
    lines.delete(job);
    errors.push({ line: chunk.lines.get(job) ?? 0, problem: toProblem("unstorable-json") });
  }
  return { ...chunk, lines, errors };
}

/** Progress of an import. Only the producer that reads the body writes these columns, so it writes totals. */
export type ImportProgress = Pick<
  ImportColumns,
  "id" | "tenant" | "type" | "status" | "read" | "accepted" | "duplicate" | "rejected" | "errors"
>;

const maxErrorLength = 10_000;

export function createProgress(id: string, tenant: string, type: string): ImportProgress {
  const counts = { read: 0, accepted: 0, duplicate: 0, rejected: 0 };
  return { id, tenant, type, status: "receiving", ...counts, errors: [] };
}

export function addChunk(
  from: ImportProgress,
  chunk: Chunk,
  accepted: readonly Accepted[],
): ImportProgress {
  const created = accepted.filter((entry) => entry.isNew).length;
  return {
    ...from,
    read: from.read + chunk.read,
    accepted: from.accepted + created,
    duplicate: from.duplicate + accepted.length - created,
    rejected: from.rejected + chunk.errors.length,
    errors: limitErrors([...from.errors, ...chunk.errors]),
  };
}

/** Keeps the first errors up to the limit, without those that are too large. */
function limitErrors(errors: readonly ImportError[]): ImportError[] {
  return errors
    .slice(0, limits.importErrors)
    .filter((error) => JSON.stringify(error).length <= maxErrorLength);
}
