import type { AuditEntry, ListAuditQuery } from "@toril/client";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import {
  type Command,
  type CommandContext,
  type Options,
  parseNumber,
  type ParsedArguments,
  UsageError,
} from "../command.ts";
import { connect, connectionOptions } from "../connection/connect.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable, toPrintable } from "../output/render-table.ts";

const maxLimit = 10_000;
const pageSize = 500;
const head = ["seq", "at", "actor", "tenant", "action", "target", "address", "request", "outcome"];
const filters: Options = {
  actor: { value: "A", help: "only entries of this actor: key:<id>, token:<subject>, cli:<user>" },
  action: { value: "A", help: "only entries of this operation" },
  target: { value: "PATH", help: "only entries of this resource and those below it" },
  after: { value: "TIME", help: "ISO 8601; only entries at or after this time" },
  before: { value: "TIME", help: "ISO 8601; only entries before this time" },
};

export const listAudit: Command = {
  summary: "list entries of the tenant, newest first",
  operands: [],
  options: {
    ...filters,
    ledger: { help: "read the ledger instead of the service: entries of all tenants, no filters" },
    limit: { value: "N", help: "maximum number of entries (50)" },
    ...connectionOptions,
  },
  async run(parsed, context) {
    const limit = parseNumber(parsed, "limit", [1, maxLimit]) ?? 50;
    const items = parsed.flags.has("ledger")
      ? await readLedger(parsed, context, limit)
      : await readService(parsed, context, limit);
    if (items.length === 0) context.inform("There are no audit entries.");
    printResult(parsed, context, { items }, () =>
      items.length === 0 ? "" : renderTable(head, items.map(toCells)),
    );
  },
};

function readLedger(
  { options }: ParsedArguments,
  { withLedger }: CommandContext,
  limit: number,
): Promise<AuditEntry[]> {
  const extra = [...Object.keys(filters), "url", "key", "profile"].find((name) => name in options);
  if (extra !== undefined) throw new UsageError(`--ledger and --${extra} are mutually exclusive`);
  return withLedger((sql) => readNewestAudit(sql, limit));
}

async function readService(
  parsed: ParsedArguments,
  context: CommandContext,
  limit: number,
): Promise<AuditEntry[]> {
  const client = connect(parsed, context);
  const filter = Object.fromEntries(
    Object.keys(filters).map((name) => [name, parsed.options[name]]),
  ) as ListAuditQuery;
  const items: AuditEntry[] = [];
  let cursor: string | null = null;
  // A page may be short or empty although more results exist.
  do {
    const page = await client.listAudit(
      {
        ...filter,
        limit: Math.min(pageSize, limit - items.length),
        ...(cursor === null ? {} : { cursor }),
      },
      { signal: context.signal },
    );
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < limit);
  return items;
}

function toCells(entry: AuditEntry): string[] {
  const cells = [
    String(entry.seq),
    entry.at,
    entry.actor,
    entry.tenant,
    entry.action,
    entry.target,
    entry.address ?? "-",
    entry.requestId ?? "-",
    entry.outcome,
  ];
  // Clients choose parts of it: control characters must not reach the terminal.
  return cells.map(toPrintable);
}
