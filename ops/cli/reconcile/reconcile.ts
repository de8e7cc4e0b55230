import { type Command, UsageError } from "../command.ts";
import { openStoreRedis } from "../connection/open-redis.ts";
import { exitCodes } from "../output/exit-codes.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import type { Style } from "../output/style.ts";
import { type Comparison, findDifferences } from "./find-differences.ts";

/** Differences that are printed one by one. */
const maxPrinted = 50;

export const reconcile: Command = {
  summary: "compare the pending jobs of the ledger with Redis; exit code 1 with differences",
  operands: [],
  options: {
    "dry-run": { help: "required: consumers repair differences themselves" },
    ...jsonOption,
  },
  async run(parsed, context) {
    if (!parsed.flags.has("dry-run")) {
      throw new UsageError(
        "reconcile needs --dry-run: consumers repair differences themselves, every RECONCILE_INTERVAL_MS",
      );
    }
    const { redis, prefix } = openStoreRedis(context.env, context.directory);
    try {
      const comparison = await context.withLedger((sql) =>
        findDifferences(sql, redis, prefix, context.signal),
      );
      printResult(parsed, context, comparison, (style) => render(comparison, style));
      return comparison.differences.length > 0 ? exitCodes.failed : exitCodes.ok;
    } finally {
      redis.disconnect();
    }
  },
};

function render({ pending, differences }: Comparison, style: Style): string {
  const count = differences.length;
  const summary = `${pending} pending jobs compared, ${count} differ.`;
  if (count === 0) return summary;
  const table = renderTable(
    ["id", "queue", "type", "in Redis", "repair"].map((title) => style("bold", title)),
    differences
      .slice(0, maxPrinted)
      .map(({ id, queue, type, found, repair }) => [
        id,
        toPrintable(queue),
        toPrintable(type),
        style("yellow", found),
        repair,
      ]),
  );
  const more = count > maxPrinted ? [`... and ${count - maxPrinted} more: --json lists all`] : [];
  return [table, ...more, summary].join("\n");
}
