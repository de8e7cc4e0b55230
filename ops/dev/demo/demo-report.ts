import type { Import } from "@toril/contract/api/import";
import { formatCount } from "./progress.ts";

export interface RowsReport {
  import: Import;
  rowsInFile: number;
  rowsInPostgres: number;
  rowsOfAllImports: number;
  seconds: number;
}

export interface FeedReport {
  read: number[];
  /** Items in Postgres before, between and after the two imports. */
  items: number[];
}

export function renderSummary(rows: RowsReport, feed: FeedReport): string {
  const { counts, id } = rows.import;
  const line = (name: string, text: string) => `  ${name.padEnd(20)} ${text}\n`;
  const count = (name: string, value: number) => line(name, formatCount(value).padStart(9));
  const names: (keyof Import["counts"])[] = [
    "accepted",
    "duplicate",
    "rejected",
    "completed",
    "dead",
  ];
  return [
    `\nSummary of import ${id}\n`,
    count("rows read", counts.read),
    ...names.map((name) => count(name, counts[name])),
    count("rows in Postgres", rows.rowsInPostgres),
    count("  of all imports", rows.rowsOfAllImports),
    line("time", `${rows.seconds.toFixed(1)} s, ${perSecond(counts.completed, rows.seconds)}`),
    `Summary of the feed\n`,
    line("items read", feed.read.join(", then ")),
    line(
      "items in Postgres",
      `${feed.items[0]} before, then ${feed.items.slice(1).join(", then ")}`,
    ),
  ].join("");
}

export function findDifferences(
  { import: { counts }, rowsInFile, rowsInPostgres }: RowsReport,
  feed: FeedReport,
): string[] {
  const expected: [string, number, number][] = [
    ["rows read", counts.read, rowsInFile],
    ["rows accepted", counts.accepted, rowsInFile],
    ["rows completed", counts.completed, rowsInFile],
    ["rows in Postgres", rowsInPostgres, rowsInFile],
    ["duplicate rows", counts.duplicate, 0],
    ["rejected rows", counts.rejected, 0],
    ["dead rows", counts.dead, 0],
    ["feed items after the second import", feed.items[2] ?? 0, feed.items[1] ?? 0],
    ["feed items", feed.items[1] ?? 0, feed.read[0] ?? 0],
  ];
  return expected
    .filter(([, is, should]) => is !== should)
    .map(([name, is, should]) => `${name}: ${formatCount(is)} instead of ${formatCount(should)}`);
}

export function perSecond(count: number, seconds: number): string {
  return `${formatCount(count / Math.max(seconds, 0.001))} rows/s`;
}
