import type { Import, ListImportsQuery } from "@toril/client";
import { type Command, getOperand, parseChoice, parseNumber } from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { formatTime } from "../jobs/render-job.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";
import { type Style, styleStatus } from "../output/style.ts";
import { renderImport } from "./render-import.ts";

const formats = ["csv", "ndjson"] as const;
const statuses = ["receiving", "running", "done", "failed", "cancelled"] as const;

export const listImports: Command = {
  summary: "list imports, newest first",
  operands: [],
  options: {
    status: { value: "S", choices: statuses, help: statuses.join(", ") },
    type: { value: "T", help: "only imports of this job type" },
    limit: { value: "N", help: "maximum number of imports, at most 500 (50)" },
    cursor: { value: "C", help: "`next` of an earlier list" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const client = connect(parsed, context);
    const { type, cursor } = parsed.options;
    const status = parseChoice(parsed, "status", statuses);
    const limit = parseNumber(parsed, "limit", [1, 500]) ?? 50;
    const items: Import[] = [];
    let next: string | null = cursor ?? null;
    do {
      const query = { status, type, limit: limit - items.length, cursor: next ?? undefined };
      // The client omits undefined values.
      const page = await client.listImports(query as ListImportsQuery, { signal: context.signal });
      items.push(...page.items);
      next = page.next;
    } while (next !== null && items.length < limit);
    if (items.length === 0) context.inform("There are no imports.");
    printResult(parsed, context, { items, next }, (style) => renderImports(items, style));
    if (next !== null) context.inform(`There may be more: --cursor ${next}`);
  },
};

export const showImport: Command = {
  summary: "print an import with its counts and first errors",
  operands: ["id"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const imported = await connect(parsed, context).getImport(getOperand(parsed), { signal });
    printResult(parsed, context, imported, (style) => renderImport(imported, style));
  },
};

export const downloadErrors: Command = {
  summary: "print the rejected rows of an import with the reasons, as CSV or NDJSON",
  operands: ["id"],
  options: {
    format: { value: "F", choices: formats, help: "csv or ndjson (csv; ndjson with --json)" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const { signal, print } = context;
    const isJson = parsed.flags.has("json");
    const format = parseChoice(parsed, "format", formats) ?? (isJson ? "ndjson" : "csv");
    const client = connect(parsed, context);
    const stream = await client.openImportErrors(getOperand(parsed), { format }, { signal });
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of stream as unknown as AsyncIterable<Uint8Array>) {
      signal.throwIfAborted();
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) print(line);
    }
    if (rest !== "") print(rest);
  },
};

export const cancelImport: Command = {
  summary: "cancel an import and its pending jobs",
  operands: ["id"],
  options: connectionOptions,
  async run(parsed, context) {
    const { signal } = context;
    const operation = await connect(parsed, context).cancelImport(getOperand(parsed), { signal });
    printResult(parsed, context, operation, () => `cancelled by the operation ${operation.id}`);
  },
};

function renderImports(items: readonly Import[], style: Style): string {
  if (items.length === 0) return "";
  return renderTable(
    ["id", "type", "status", "created", "read", "accepted", "rejected", "done"].map((title) =>
      style("bold", title),
    ),
    items.map(({ id, type, status, createdAt, counts }) => [
      id,
      toPrintable(type),
      styleStatus(style, status),
      formatTime(createdAt),
      String(counts.read),
      String(counts.accepted),
      String(counts.rejected),
      String(counts.completed + counts.dead + counts.cancelled + counts.expired),
    ]),
  );
}
