import type { AuditRow } from "@toril/contract/api/audit-entry";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { type Command, UsageError } from "../command.ts";
import { renderTable } from "../render-table.ts";

const maxLimit = 10_000;
const head = ["seq", "at", "who", "tenant", "what", "of", "from", "request", "outcome"];

export const listAudit: Command = {
  summary: "show what was changed, newest first",
  operands: [],
  options: { limit: { value: "N", help: "how many entries at most (50)" } },
  async run({ options }, { print, inform, withLedger }) {
    const limit = parseLimit(options["limit"] ?? "50");
    const rows = await withLedger((sql) => readNewestAudit(sql, limit));
    if (rows.length === 0) inform("Nothing was changed yet.");
    else print(renderTable(head, rows.map(toCells)));
  },
};

function parseLimit(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  throw new UsageError(`--limit: a number from 1 to ${maxLimit}`);
}

function toCells(row: AuditRow): string[] {
  const cells = [
    String(row.seq),
    row.at,
    row.actor,
    row.tenant,
    row.action,
    row.target,
    row.address ?? "-",
    row.requestId ?? "-",
    row.outcome,
  ];
  // Some of it is what a client sent: it must not write on the terminal of who reads it.
  return cells.map((cell) => cell.replaceAll(/\p{C}/gu, "\uFFFD"));
}
