import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { ImportError } from "@toril/contract/api/import";
import { type Problem, problemOf } from "@toril/contract/api/problem";
import { type EntryContext, parseEntry } from "../jobs/parse-bulk.ts";

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
 * @param idOf returns the job id for the number of an entry in the file
 */
export function addEntries(
  chunk: Chunk,
  { entries, firstNumber }: FilePart,
  { origin, secretKeys }: EntryContext,
  getJobId: (entry: number) => string,
): void {
  chunk.read += entries.length;
  for (const [index, entry] of entries.entries()) {
    const { line } = entry;
    const parsed =
      entry.status === "ok"
        ? parseEntry(entry.request, {
            origin: { ...origin, id: getJobId(firstNumber + index) },
            secretKeys,
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
    errors.push({ line: chunk.lines.get(job) ?? 0, problem: problemOf("unstorable-json") });
  }
  return { ...chunk, lines, errors };
}
