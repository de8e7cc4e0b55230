/** An administrative change. */
export interface AuditEntry {
  /** The principal: `key:<id>`, `token:<subject>`, `cli:<user>`, or `anyone` until the first key exists. */
  actor: string;
  tenant: string;
  /** The `operationId` of openapi.yaml. */
  action: string;
  /** The path of the changed resource. */
  target: string;
  /** The client address; null for a command. */
  address: string | null;
  requestId: string | null;
  /** `done`, or the problem type of the response. */
  outcome: string;
}

/** An entry of the audit log, with its sequence number and hash. */
export interface AuditRow extends AuditEntry {
  /** Sequence number from 1, without gaps. */
  seq: number;
  /** ISO 8601 with milliseconds, by the clock of Postgres. */
  at: string;
  /** Hash of the previous entry. */
  previous: string;
  hash: string;
}

/** The `previous` of the first entry. */
export const firstPrevious = "0".repeat(64);

/** Returns the SHA-256 of all other fields of the row, including the hash of the previous row, in hexadecimal. */
export async function hashAuditRow(row: Omit<AuditRow, "hash">): Promise<string> {
  const { seq, at, actor, tenant, action, target, address, requestId, outcome, previous } = row;
  const text = JSON.stringify([
    seq,
    at,
    actor,
    tenant,
    action,
    target,
    address,
    requestId,
    outcome,
    previous,
  ]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
