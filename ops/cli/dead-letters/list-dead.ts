import type { DeadLetter, DeadLetterSummary, ListDeadLettersQuery } from "@toril/client";
import { type Command, type Options, parseNumber } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { formatTime } from "../jobs/render-job.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import type { Style } from "../output/style.ts";

/** Options that select dead letters. */
export const deadLetterFilters: Options = {
  type: { value: "T", help: "only jobs of this type" },
  queue: { value: "Q", help: "only jobs of this queue" },
  reason: { value: "R", help: "only this reason, as `dead --summary` prints it" },
  label: { value: "L", help: "only jobs with this label" },
};

export const listDead: Command = {
  summary: "list dead letters, newest first; --summary groups them by type and reason",
  operands: [],
  options: {
    summary: { help: "number of dead letters by type and reason; without filters" },
    ...deadLetterFilters,
    limit: { value: "N", help: "maximum number of dead letters, at most 500 (50)" },
    cursor: { value: "C", help: "`next` of an earlier list" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const client = connect(parsed, context);
    const { signal } = context;
    if (parsed.flags.has("summary")) {
      const summary = await client.summarizeDeadLetters({ signal });
      return printResult(parsed, context, summary, (style) => renderSummary(summary, style));
    }
    const { type, queue, reason, label, cursor } = parsed.options;
    const limit = parseNumber(parsed, "limit", [1, 500]) ?? 50;
    const items: DeadLetter[] = [];
    let next: string | null = cursor ?? null;
    do {
      const query = {
        type,
        queue,
        reason,
        label,
        limit: limit - items.length,
        cursor: next ?? undefined,
      };
      // The client omits undefined values.
      const page = await client.listDeadLetters(query as ListDeadLettersQuery, { signal });
      items.push(...page.items);
      next = page.next;
    } while (next !== null && items.length < limit);
    if (items.length === 0) context.inform("There are no dead letters.");
    printResult(parsed, context, { items, next }, (style) => renderDeadLetters(items, style));
    if (next !== null) context.inform(`There may be more: --cursor ${next}`);
  },
};

function renderDeadLetters(items: readonly DeadLetter[], style: Style): string {
  if (items.length === 0) return "";
  return renderTable(
    ["id", "type", "attempts", "settled", "error"].map((title) => style("bold", title)),
    items.map(({ id, type, attempts, settledAt, error }) => [
      id,
      toPrintable(type),
      `${attempts.made}/${attempts.max}`,
      formatTime(settledAt),
      style("red", toPrintable(error === null ? "-" : `${error.name}: ${error.message}`)),
    ]),
  );
}

function renderSummary({ groups, isComplete }: DeadLetterSummary, style: Style): string {
  if (groups.length === 0) return "";
  const table = renderTable(
    ["count", "type", "reason"].map((title) => style("bold", title)),
    groups.map(({ count, isExact, type, reason }) => [
      `${count}${isExact ? "" : "+"}`,
      toPrintable(type),
      toPrintable(reason ?? "-"),
    ]),
  );
  return isComplete ? table : `${table}\n(only the first 500 groups)`;
}
