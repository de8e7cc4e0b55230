import type { AuditRow } from "@toril/contract/api/access/audit-entry";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { type AuditHead, verifyAudit as verify } from "@toril/contract/engine/audit/verify-audit";
import { UserError } from "../../dev/user-error.ts";
import { type Command, UsageError } from "../command.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";

const maxLimit = 10_000;
const head = ["seq", "at", "actor", "tenant", "action", "target", "address", "request", "outcome"];

export const listAudit: Command = {
  summary: "list entries, newest first",
  operands: [],
  options: { limit: { value: "N", help: "maximum number of entries (50)" }, ...jsonOption },
  async run(parsed, context) {
    const { inform, withLedger } = context;
    const limit = parseLimit(parsed.options["limit"] ?? "50");
    const rows = await withLedger((sql) => readNewestAudit(sql, limit));
    if (rows.length === 0) inform("The audit log is empty.");
    printResult(parsed, context, { items: rows }, () =>
      rows.length === 0 ? "" : renderTable(head, rows.map(toCells)),
    );
  },
};

function parseLimit(text: string): number {
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  throw new UsageError(`--limit: must be a number from 1 to ${maxLimit}`);
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
  // Clients choose parts of it: control characters must not reach the terminal.
  return cells.map(toPrintable);
}

export const verifyAudit: Command = {
  summary: "recompute every hash; prints sequence number and hash of the newest entry",
  operands: [],
  options: {
    head: { value: "SEQ:HASH", help: "an earlier output, which must still be part of the log" },
    ...jsonOption,
  },
  async run(parsed, context) {
    const { inform, withLedger } = context;
    const { head: earlier } = parsed.options;
    const known = earlier === undefined ? [] : [parseHead(earlier)];
    const result = await withLedger((sql) => verify(sql, known));
    if (result.status === "broken") {
      throw new UserError(`The audit log was altered: ${result.detail}`);
    }
    const { seq, hash } = result.head;
    inform(`The audit log is intact: ${seq} ${seq === 1 ? "entry" : "entries"}.`);
    printResult(parsed, context, { seq, hash }, () => `${seq}:${hash}`);
  },
};

function parseHead(text: string): AuditHead {
  const [, seq, hash] = /^(\d{1,9}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash === undefined) throw new UsageError("--head: must be an output of `audit verify`");
  return { seq: Number(seq), hash };
}
