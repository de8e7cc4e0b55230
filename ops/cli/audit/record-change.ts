import { appendAudit } from "@toril/contract/engine/audit/append-audit";
import type { NoteChange } from "@toril/contract/engine/api-keys/key-ledger";

/** Records in the audit log that `user` changed a key with a command. */
export function recordChangeAs(user: string, action: string): NoteChange {
  return (tx, { id, tenant }) =>
    appendAudit(tx, {
      actor: `cli:${user}`,
      tenant,
      action,
      target: `/v1/keys/${id}`,
      address: null,
      requestId: null,
      outcome: "done",
    });
}
