import type { ApiKey } from "@toril/contract/api/access/api-key";
import { listKeys as readKeys } from "@toril/contract/engine/api-keys/key-ledger";
import type { Command } from "../command.ts";
import { jsonOption, printResult } from "../output/print-result.ts";
import { describeQuotas } from "./describe-key.ts";
import { renderTable } from "../output/render-table.ts";

const pageSize = 500;
const head = ["id", "name", "tenant", "scopes", "limits", "state", "last used"];

export const listKeys: Command = {
  summary: "list all keys, newest first",
  operands: [],
  options: { tenant: { value: "T", help: "only keys of this tenant" }, ...jsonOption },
  async run(parsed, context) {
    const { inform, withLedger } = context;
    const { tenant } = parsed.options;
    const keys: ApiKey[] = [];
    await withLedger(async (sql) => {
      for (;;) {
        const before = keys.at(-1)?.id;
        const page = await readKeys(sql, { tenant, before, limit: pageSize });
        keys.push(...page);
        if (page.length < pageSize) return;
      }
    });
    if (keys.length === 0) inform("There are no keys.");
    printResult(parsed, context, { items: keys }, () =>
      keys.length === 0 ? "" : renderTable(head, keys.map(toRow)),
    );
  },
};

function toRow(key: ApiKey): string[] {
  const restrictions = [...(key.queues ?? []), ...(key.types ?? [])].join(",");
  const limits = [restrictions, key.quotas && describeQuotas(key.quotas)]
    .filter(Boolean)
    .join("; ");
  return [
    key.id,
    key.name,
    key.tenant,
    key.scopes.join(","),
    limits || "-",
    describeState(key),
    key.lastUsedAt?.slice(0, 16).replace("T", " ") ?? "never",
  ];
}

function describeState({ revokedAt, expiresAt }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${revokedAt.slice(0, 10)}`;
  if (expiresAt === null) return "valid";
  return `${Date.parse(expiresAt) > Date.now() ? "until" : "expired"} ${expiresAt.slice(0, 10)}`;
}
