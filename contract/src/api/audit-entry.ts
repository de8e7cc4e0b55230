/** A change that somebody with an administrator's rights asked for. */
export interface AuditEntry {
  /** Whose rights were used: `key:<id>`, `token:<subject>`, `cli:<user>`, or `anyone` while there is no key. */
  actor: string;
  tenant: string;
  /** The operation, as openapi.yaml names it. */
  action: string;
  /** The address of what was changed. */
  target: string;
  /** Where the request came from; null for a command. */
  address: string | null;
  requestId: string | null;
  /** `done`, or the kind of problem that it was answered with. */
  outcome: string;
}

/** An entry in its place in the log. */
export interface AuditRow extends AuditEntry {
  /** 1 for the first; none is left out. */
  seq: number;
  /** ISO 8601 in milliseconds, by Postgres' clock. */
  at: string;
  /** The hash of the entry before. */
  previous: string;
  hash: string;
}

/** What the first entry's `previous` is. */
export const firstPrevious = "0".repeat(64);

/** SHA-256, hexadecimal, of everything else in the row, the hash of the row before included. */
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
