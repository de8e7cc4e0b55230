import type { Webhook } from "@toril/contract/api/webhooks/webhook";
import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import type { WebhookColumns } from "@toril/contract/engine/postgres/tables";
import type { Sql } from "postgres";
import type { ClaimedDelivery } from "./claim-deliveries.ts";

export interface DisableOptions {
  reason: Exclude<Webhook["disabledReason"], "requested" | null>;
  /** Disables the webhook only if every attempt failed for this long. */
  failingForMs?: number;
}

/**
 * Disables a webhook, unless it has changed since the given version, and audits the change in the same transaction.
 * @returns whether this call disabled the webhook
 */
export function disableWebhook(
  sql: Sql,
  { webhookId, version }: Pick<ClaimedDelivery, "webhookId" | "version">,
  { reason, failingForMs }: DisableOptions,
): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [row] = await tx<Pick<WebhookColumns, "tenant" | "name">[]>`
      update webhooks set is_enabled = false, disabled_reason = ${reason}, disabled_at = now(),
        version = version + 1, updated_at = now()
      where id = ${webhookId} and version = ${version} and is_enabled
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
