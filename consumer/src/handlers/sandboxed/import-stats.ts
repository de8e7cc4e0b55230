import {
  type importStats as jobType,
  statsLimits,
} from "@toril/contract/api/job-types/import-stats";
import { NonRetryableError } from "../../worker/handler.ts";
import type { SandboxedHandler } from "../../sandbox/sandboxed-handler.ts";
import { type ColumnCounter, createColumnCounter } from "./column-counter.ts";

export const importStats: SandboxedHandler<typeof jobType> = async (
  { importId, columns },
  { readRows, progress },
) => {
  let rows = 0;
  let counters: ColumnCounter[] = [];
  let reading = readRows(importId, 0);
  for (let page = await reading; page !== undefined; page = await reading) {
    // Prefetches the next page while this page is counted.
    reading = readRows(importId, page.lastRow);
    // Awaited at the end of this round: until then a failure must not count as unhandled.
    reading.catch(() => {});
    const values: Record<string, string>[] = JSON.parse(page.values);
    if (rows === 0) counters = createCounters(columns, values[0] ?? {});
    for (const row of values) {
      for (const counter of counters) counter.add(row[counter.name] ?? "");
    }
    rows += values.length;
    progress({ rows });
  }
  if (rows === 0) throw new NonRetryableError(`There are no rows for the import ${importId}.`);
  return { rows, columns: counters.map((counter) => counter.stats()) };
};

/** One row is enough to check the columns: every row of a file has the same columns. */
function createCounters(
  requestedColumns: readonly string[] | undefined,
  row: Record<string, string>,
) {
  const names = [...new Set(requestedColumns ?? Object.keys(row).toSorted())];
  const missing = names.filter((name) => !Object.hasOwn(row, name));
  if (missing.length > 0)
    throw new NonRetryableError(`The import has no column ${missing.join(", ")}.`);
  if (names.length > statsLimits.columns) {
    throw new NonRetryableError(
      `The import has more than ${statsLimits.columns} columns: name the columns to count.`,
    );
  }
  const maxDistinct = Math.floor(statsLimits.distinct / names.length);
  const maxNumbers = Math.floor(statsLimits.numbers / names.length);
  return names.map((name) => createColumnCounter(name, { maxDistinct, maxNumbers }));
}
