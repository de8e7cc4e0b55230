import type { Webhook } from "@toril/contract/api/webhooks/webhook";
import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import type { WebhookColumns } from "@toril/contract/engine/postgres/tables";
import type { Sql } from "postgres";

export interface DisableOptions {
  reason: Exclude<Webhook["disabledReason"], "requested" | null>;
  /** Disables the webhook only if every attempt failed for this long. */
  failingForMs?: number;
}

/**
 * Disables a webhook and audits the change in the same transaction.
 * @returns whether the webhook was enabled before
 */
export function disableWebhook(
  sql: Sql,
  webhookId: string,
  { reason, failingForMs }: DisableOptions,
): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [row] = await tx<Pick<WebhookColumns, "tenant" | "name">[]>`
      update webhooks set is_enabled = false, disabled_reason = ${reason}, disabled_at = now(),
        version = version + 1, updated_at = now()
      where id = ${webhookId} and is_enabled
        ${failingForMs === undefined ? tx`` : tx`and failing_since < now() - ${failingForMs} * interval '1 ms'`}
      returning tenant, name`;
    if (row === undefined) return false;
    await appendAudit(tx, {
      actor: "consumer",
      tenant: row.tenant,
      action: "disableWebhook",
      target: `/v1/webhooks/${row.name}`,
      address: null,
      requestId: null,
      outcome: reason,
    });
    return true;
  });
}
