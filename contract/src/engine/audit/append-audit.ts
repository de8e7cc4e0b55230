import type { AuditHeadColumns } from "../postgres/tables.ts";
import type { ISql } from "postgres";
import { toStorableText } from "../../api/json/json.ts";
import { type AuditRow, hashAuditRow, type NewAuditEntry } from "../../api/access/audit-entry.ts";

/**
 * Appends an entry to the audit log. Call it in the transaction of the audited change, as the last statement: the head
 * row stays locked until COMMIT, so that all writers form one hash chain.
 */
export async function appendAudit(tx: ISql, entry: NewAuditEntry): Promise<AuditRow> {
  const [head] = await tx<(Pick<AuditHeadColumns, "seq" | "hash"> & { now: Date })[]>`
    select seq, hash, clock_timestamp() as now from audit_head for update`;
  if (head === undefined) throw new Error("the audit log has no head");
  const unhashed = {
    ...storable(entry),
    seq: head.seq + 1,
    at: head.now.toISOString(),
    previous: head.hash,
  };
  const row = { ...unhashed, hash: await hashAuditRow(unhashed) };
  await tx`
    insert into audit_log (seq, at, actor, tenant, action, target, address, request_id, outcome, previous, hash)
    values (${row.seq}, ${row.at}::text::timestamptz, ${row.actor}, ${row.tenant}, ${row.action}, ${row.target},
            ${row.address}, ${row.requestId}, ${row.outcome}, ${row.previous}, ${row.hash})`;
  return row;
}

/** Makes the entry storable: some fields contain client input. */
function storable(entry: NewAuditEntry): NewAuditEntry {
  const text = (value: string) => toStorableText(value.slice(0, maxLength));
  const { actor, tenant, action, target, address, requestId, outcome } = entry;
  return {
    actor: text(actor),
    tenant: text(tenant),
    action,
    target: text(target),
    address: address && text(address),
    requestId: requestId && text(requestId),
    outcome,
  };
}

const maxLength = 1000;
