import type { JobType } from "@toril/contract/api/job-type";
import { limits } from "@toril/contract/api/limits";
import type { FeedParser } from "@toril/contract/engine/feeds/feed-parser";
import { type ProblemKind, toProblem } from "@toril/contract/api/problem";
import type { RowOptions } from "@toril/contract/api/row-options";
import { isDisconnected } from "../../http/body.ts";
import { CsvError, type CsvOptions, type CsvRecord, readCsv } from "./csv/read-csv.ts";
import type { FileEntry } from "../chunks/import-chunk.ts";
import { InvalidFileError } from "../import-errors.ts";
import { ProblemError } from "../../http/problem.ts";
import type { ObjectRecord } from "./object-record.ts";
import { createObjectRequest, createRowRequest } from "../rows/row-request.ts";

/** What the jobs of rows are made from. */
export interface RowEntryOptions {
  jobType: JobType;
  importId: string;
  /** Number of rows that come before, in earlier parts of the file; 0 by default. */
  rowsBefore?: number;
  rowOptions?: RowOptions | undefined;
  /** Whether the texts of the rows are known to be storable. */
  isStorable?: boolean;
}

export function readCsvEntries(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: RowEntryOptions & Omit<CsvOptions, "maxRowBytes">,
): AsyncGenerator<FileEntry[]> {
  const rows = readCsv(body, { ...options, maxRowBytes: limits.dataBytes });
  // The decoder makes no lone surrogate, and the parser refuses NUL characters.
  return readRowEntries(rows, { ...options, isStorable: true });
}

/** Reads the rows of a file as requests for jobs of `type`. */
export async function* readRowEntries(
  rows: AsyncIterable<CsvRecord[]>,
  { jobType, importId, rowsBefore = 0, rowOptions, isStorable = false }: RowEntryOptions,
  kind: ProblemKind = "invalid-csv",
): AsyncGenerator<FileEntry[]> {
  const toRequest = createRowRequest(jobType, rowOptions);
  let row = rowsBefore;
  try {
    for await (const records of rows) {
      yield records.map((record): FileEntry => {
        row += 1;
        const { line } = record;
        if (record.status === "bad") {
          return { status: "bad", line, problem: toProblem(kind, record.detail), raw: record.raw };
        }
        const { raw, row: values } = record;
        const made = toRequest({ importId, row, values });
        if (made.status === "valid" && isStorable) {
          return { status: "valid", line, request: made.request, raw };
        }
        if (made.status === "valid" || made.status === "ok") {
          return { status: "ok", line, request: made.request, raw };
        }
        if (made.status === "bad") return { status: "bad", line, problem: made.problem, raw };
        throw new CsvError(1, `The file has no column ${JSON.stringify(made.column)}.`);
      });
    }
  } catch (error) {
    if (error instanceof CsvError) throw new InvalidFileError(kind, error.line, error.detail);
    throw isDisconnected(error) ? new ProblemError("incomplete-body") : error;
  }
}

/** Reads the lines of an NDJSON file, or the elements of a JSON array, as requests for jobs of `type`. */
export async function* readObjectEntries(
  objects: AsyncIterable<ObjectRecord[]>,
  { jobType, importId, rowsBefore = 0, rowOptions }: RowEntryOptions,
): AsyncGenerator<FileEntry[]> {
  const toRequest = createObjectRequest(jobType, rowOptions);
  let row = rowsBefore;
  try {
    for await (const records of objects) {
      yield records.map((record): FileEntry => {
        row += 1;
        if (record.status === "bad") return record;
        const { line, values, raw } = record;
        const made = toRequest({ importId, row, values });
        return made.status === "ok"
          ? { status: "ok", line, request: made.request, raw }
          : { status: "bad", line, problem: made.problem, raw };
      });
    }
  } catch (error) {
    throw isDisconnected(error) ? new ProblemError("incomplete-body") : error;
  }
}

/** Reads the items of a feed as requests for `feed.item` jobs. */
export async function* readFeedEntries(
  bytes: Uint8Array,
  options: { source: string; contentType: string },
  parseFeed: FeedParser["parse"],
): AsyncGenerator<FileEntry[]> {
  const feed = await parseFeed(bytes, options);
  if (feed.status === "invalid") throw new InvalidFileError("invalid-feed", 0, feed.detail);
  let line = 0;
  for await (const items of feed.pages) {
    yield items.map((data) => {
      line += 1;
      return { status: "ok", line, request: { type: "feed.item", data }, raw: undefined };
    });
  }
}
