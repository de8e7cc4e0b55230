import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { type Problem, toProblem } from "@toril/contract/api/problem";
import { type EntryContext, parseEntry, toNewJob } from "../../jobs/parse-bulk.ts";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { Callback } from "@toril/contract/engine/webhooks/callbacks";
import type { Accepted } from "@toril/contract/engine/jobs/insert/insert-entries";
import type { ImportError } from "@toril/contract/api/import";
import type { ImportColumns } from "@toril/contract/engine/postgres/tables";
import { limits } from "@toril/contract/api/limits";

/**
 * A row or item of a file: the job request, or why the row could not be read. A `valid` request satisfies the schema of
 * its job type, and Postgres can store it.
 */
export type FileEntry =
  | { status: "valid"; line: number; request: JobRequest; raw: string }
  | { status: "ok"; line: number; request: unknown; raw: string | undefined }
  | { status: "bad"; line: number; problem: Problem; raw: string | undefined };

/** Maximum entries of one transaction. */
const maxEntries = 500;
const maxLength = 1_000_000;

export interface Chunk {
  /** Whether the report has the texts of rejected rows: not if they may contain secrets, which a row does not mark. */
  keepsTexts: boolean;
  /** The part of the file that it belongs to; undefined for a file in one request. */
  part: number | undefined;
  jobs: NewJob[];
  /** The line of each job in the file, and its text; undefined for the item of a feed. */
  lines: number[];
  texts: (string | undefined)[];
  /** The number of each job's entry. */
  numbers: number[];
  /** Total characters of the jobs' data. */
  length: number;
  read: number;
  errors: ImportError[];
  /** The rows of the errors. */
  rejected: RejectedRow[];
}

/** A row for the error report. */
export interface RejectedRow {
  /** The number of its entry. */
  number: number;
  line: number;
  problem: Problem;
  text: string;
}

export function createChunk(keepsTexts: boolean, part?: number): Chunk {
  return {
    keepsTexts,
    part,
    jobs: [],
    lines: [],
    texts: [],
    numbers: [],
    length: 0,
    read: 0,
    errors: [],
    rejected: [],
  };
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
    const { line, raw } = entry;
    const number = firstNumber + index;
    rowOrigin.id = getJobId(number);
    const parsed = entry.status === "bad" ? entry : parseFileEntry(entry, rowContext);
    if (parsed.status === "ok") {
      chunk.jobs.push(parsed.job);
      chunk.lines.push(line);
      chunk.texts.push(raw);
      chunk.numbers.push(number);
      chunk.length += parsed.job.data.length;
    } else {
      addError(chunk, { number, line, problem: parsed.problem, text: raw });
    }
  }
}

function parseFileEntry(entry: Exclude<FileEntry, { status: "bad" }>, context: EntryContext) {
  return entry.status === "valid"
    ? toNewJob(entry.request, context)
    : parseEntry(entry.request, context);
}

function addError(
  chunk: Chunk,
  { number, line, problem, text = "" }: Omit<RejectedRow, "text"> & { text: string | undefined },
): void {
  const { part, errors, rejected, keepsTexts } = chunk;
  errors.push({ line, ...(part === undefined ? {} : { part }), problem });
  const stored = keepsTexts ? text.slice(0, limits.importErrorText) : "";
  rejected.push({ number, line, problem, text: stored });
  chunk.length += stored.length;
}

export function isFull(chunk: Chunk): boolean {
  return chunk.read >= maxEntries || chunk.length >= maxLength;
}

/** Returns the chunk with the jobs that Postgres refused turned into errors. */
export function withoutRefused(chunk: Chunk, refused: readonly NewJob[]): Chunk {
  const bad = new Set(refused);
  const rest: Chunk = {
    ...chunk,
    jobs: [],
    lines: [],
    texts: [],
    numbers: [],
    errors: [...chunk.errors],
    rejected: [...chunk.rejected],
  };
  for (const [index, job] of chunk.jobs.entries()) {
    const line = chunk.lines[index] ?? 0;
    const text = chunk.texts[index];
    const number = chunk.numbers[index] ?? 0;
    if (bad.has(job)) {
      addError(rest, { number, line, problem: toProblem("unstorable-json"), text });
    } else {
      rest.jobs.push(job);
      rest.lines.push(line);
      rest.texts.push(text);
      rest.numbers.push(number);
    }
  }
  return rest;
}

/** Progress of an import. Only the producer that reads the body writes these columns, so it writes totals. */
export type ImportProgress = Pick<
  ImportColumns,
  | "id"
  | "tenant"
  | "type"
  | "status"
  | "read"
  | "accepted"
  | "duplicate"
  | "rejected"
  | "errors"
  | "dryRun"
> & {
  /** Both are recorded when the import is inserted. */
  callback?: Callback | null | undefined;
  thenJob?: NewJob | undefined;
};

const maxErrorLength = 10_000;

export function createProgress(
  id: string,
  tenant: string,
  type: string,
  options: Pick<Partial<ImportProgress>, "dryRun" | "callback" | "thenJob">,
): ImportProgress {
  const { dryRun = false, callback, thenJob } = options;
  const counts = { read: 0, accepted: 0, duplicate: 0, rejected: 0 };
  return {
    id,
    tenant,
    type,
    status: "receiving",
    ...counts,
    errors: [],
    dryRun,
    callback,
    thenJob,
  };
}

/** Outcomes of the valid rows of a chunk. */
export interface RecordedCounts {
  created: number;
  duplicate: number;
}

export function countRecorded(accepted: readonly Accepted[]): RecordedCounts {
  const created = accepted.filter((entry) => entry.isNew).length;
  return { created, duplicate: accepted.length - created };
}

export function addChunk(
  from: ImportProgress,
  chunk: Chunk,
  { created, duplicate }: RecordedCounts,
): ImportProgress {
  return {
    ...from,
    read: from.read + chunk.read,
    accepted: from.accepted + created,
    duplicate: from.duplicate + duplicate,
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
