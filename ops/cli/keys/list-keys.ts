import type { ApiKey } from "@toril/contract/api/access/api-key";
import type { Command } from "../command.ts";
import { printResult } from "../output/print-result.ts";
import { renderTable } from "../output/render-table.ts";
import { describeQuotas } from "./describe-key.ts";
import { openKeys, sourceOptions, tenantOption } from "./open-keys.ts";

const head = ["id", "name", "tenant", "scopes", "limits", "state", "last used"];

export const listKeys: Command = {
  summary: "list the keys of the tenant, newest first",
  operands: [],
  options: { ...tenantOption, ...sourceOptions },
  async run(parsed, context) {
    const keys = await openKeys(parsed, context).list();
    if (keys.length === 0) context.inform("There are no keys.");
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
