import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import postgres from "postgres";

import {
  findDifferences,
  perSecond,
  renderSummary,
  type FeedReport,
  type RowsReport,
} from "./demo-report.ts";
import { type DemoKey, openDemoKey } from "./demo-key.ts";
import { importFile } from "./import-file.ts";
import { createProgress, formatCount, type Output } from "./progress.ts";

export interface DemoSettings {
  /** Address of a producer. */
  url: string;
  databaseUrl: string;
  /** CSV file to import instead of the example. */
  file: string | undefined;
  output: Output;
  signal: AbortSignal;
}

const feedFile = fileURLToPath(new URL("../../examples/feed.rss.xml", import.meta.url));
const feedSource = "toril-example";

/**
 * Imports a CSV file, then a feed twice, and prints how every row ended.
 * @returns differences between the counts; empty if they agree
 */
export async function runDemo(settings: DemoSettings): Promise<string[]> {
  const sql = postgres(settings.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await using key = await openDemoKey(sql);
    const rows = await importRows(settings, sql, key);
    const feed = await importFeedTwice(settings, sql, key);
    settings.output.write(renderSummary(rows, feed));
    return findDifferences(rows, feed);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function importRows(
  { url, file = getExampleFile(), output, signal }: DemoSettings,
  sql: postgres.Sql,
  { headers }: DemoKey,
): Promise<RowsReport> {
  const rowsInFile = countLines(readFileSync(file)) - 1;
  output.write(`\nImporting ${formatCount(rowsInFile)} rows of ${basename(file)}\n`);
  const progress = createProgress(output);
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const newest = await newestImport(sql);

  const done = await importFile({
    url,
    headers,
    file,
    contentType: "text/csv",
    query: { type: "row.import" },
    signal,
    async findId() {
      const id = await newestImport(sql);
      return id === newest ? undefined : id;
    },
    onProgress({ accepted, completed, dead }) {
      const ended = completed + dead;
      const secondsLeft = Math.ceil((seconds() / ended) * (rowsInFile - ended));
      // The first rows are too few for an estimate.
      const left = ended < rowsInFile / 100 ? "" : `, ${formatCount(secondsLeft)} s left`;
      const rate = perSecond(ended, seconds());
      const text = `${formatCount(accepted)} accepted, ${formatCount(ended)} done, ${rate}${left}`;
      progress.show(ended / rowsInFile, text);
    },
  }).finally(() => progress.end());
  const took = seconds();
  const [count] = await sql<[{ own: number; all: number }]>`
    select count(*) filter (where import_id = ${done.id})::int as own, count(*)::int as all from imported_rows`;
  return {
    import: done,
    rowsInFile,
    rowsInPostgres: count.own,
    rowsOfAllImports: count.all,
    seconds: took,
  };
}

async function importFeedTwice(
  { url, output, signal }: DemoSettings,
  sql: postgres.Sql,
  { headers }: DemoKey,
): Promise<FeedReport> {
  output.write(`\nImporting ${basename(feedFile)} twice\n`);
  const query = { type: "feed.item", source: feedSource };
  const report: FeedReport = { read: [], items: [await countItems(sql)] };
  for (let turn = 0; turn < 2; turn++) {
    const contentType = "application/rss+xml";
    const done = await importFile({ url, headers, file: feedFile, contentType, query, signal });
    report.read.push(done.counts.read);
    report.items.push(await countItems(sql));
  }
  return report;
}

async function newestImport(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`select id from imports order by id desc limit 1`;
  return row?.id;
}

async function countItems(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<[{ count: number }]>`
    select count(*)::int as count from feed_items where source = ${feedSource}`;
  return row.count;
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 10) lines++;
  return lines;
}

function getExampleFile(): string {
  const entry = fileURLToPath(import.meta.resolve("vega-datasets"));
  return join(dirname(entry), "../data/zipcodes.csv");
}
