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
  /** The part of the file that it belongs to; undefined for a file in one request. */
  part: number | undefined;
  jobs: NewJob[];
  /** The line of each job in the file. */
  lines: number[];
  /** Total characters of the jobs' data. */
  length: number;
  read: number;
  errors: ImportError[];
}

export function createChunk(part?: number): Chunk {
  return { part, jobs: [], lines: [], length: 0, read: 0, errors: [] };
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
  // One object for all rows: a new one for each row would cost more than the id.
  const rowOrigin = { ...origin, id: "" };
  const rowContext = { ...context, origin: rowOrigin };
  for (const [index, entry] of entries.entries()) {
    const { line } = entry;
    rowOrigin.id = getJobId(firstNumber + index);
    const parsed = entry.status === "ok" ? parseEntry(entry.request, rowContext) : entry;
    if (parsed.status === "ok") {
      chunk.jobs.push(parsed.job);
      chunk.lines.push(line);
      chunk.length += parsed.job.data.length;
    } else {
      addError(chunk, line, parsed.problem);
    }
  }
}

function addError({ part, errors }: Chunk, line: number, problem: Problem): void {
  errors.push({ line, ...(part === undefined ? {} : { part }), problem });
}

export function isFull(chunk: Chunk): boolean {
  return chunk.read >= maxEntries || chunk.length >= maxLength;
}

/** Returns the chunk with the jobs that Postgres refused turned into errors. */
export function withoutRefused(chunk: Chunk, refused: readonly NewJob[]): Chunk {
  const bad = new Set(refused);
  const jobs: NewJob[] = [];
  const lines: number[] = [];
  const rest: Chunk = { ...chunk, jobs, lines, errors: [...chunk.errors] };
  for (const [index, job] of chunk.jobs.entries()) {
    const line = chunk.lines[index] ?? 0;
    if (bad.has(job)) addError(rest, line, toProblem("unstorable-json"));
    else {
      jobs.push(job);
      lines.push(line);
    }
  }
  return rest;
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
