import type { JobType } from "@toril/contract/api/job-type";
import { limits } from "@toril/contract/api/limits";
import type { FeedParser } from "@toril/contract/engine/feeds/feed-parser";
import { toProblem } from "@toril/contract/api/problem";
import { createRowMapping } from "@toril/contract/api/job-data/row-data";
import { isDisconnected } from "../http/body.ts";
import { CsvError, type CsvOptions, readCsv } from "./csv/read-csv.ts";
import type { FileEntry } from "./import-chunk.ts";
import { InvalidFileError } from "./import-errors.ts";
import { ProblemError } from "../http/problem.ts";

export interface CsvEntryOptions extends Omit<CsvOptions, "maxRowBytes"> {
  jobType: JobType;
  importId: string;
  /** Number of rows that come before, in earlier parts of the file; 0 by default. */
  rowsBefore?: number;
}

/** Reads the rows of a CSV file as requests for jobs of `type`. */
export async function* readCsvEntries(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: CsvEntryOptions,
): AsyncGenerator<FileEntry[]> {
  const { jobType, importId, rowsBefore = 0, ...csv } = options;
  const toData = createRowMapping(jobType);
  let row = rowsBefore;
  try {
    for await (const records of readCsv(body, { ...csv, maxRowBytes: limits.dataBytes })) {
      yield records.map((record): FileEntry => {
        row += 1;
        const { line } = record;
        if (record.status === "bad") {
          return { status: "bad", line, problem: toProblem("invalid-csv", record.detail) };
        }
        const data = toData({ importId, row, values: record.row });
        return { status: "ok", line, request: { type: jobType.type, data } };
      });
    }
  } catch (error) {
    if (error instanceof CsvError)
      throw new InvalidFileError("invalid-csv", error.line, error.detail);
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
      return { status: "ok", line, request: { type: "feed.item", data } };
    });
  }
}
