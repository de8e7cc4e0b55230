import type { ApiKey, IssuedApiKey, NewApiKey } from "@toril/contract/keys/api-key";
import {
  findKey,
  issueKey,
  listKeys,
  type NoteChange,
  revokeKey,
  type Rotated,
  rotateKey,
} from "@toril/contract/keys/key-ledger";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { AuditTrail } from "./audit.ts";

/** The keys of a tenant. */
export interface KeyStore {
  issue(tenant: string, key: NewApiKey, trail: AuditTrail): Promise<IssuedApiKey>;
  /** Newest first. */
  list(tenant: string, page: { before: string | undefined; limit: number }): Promise<ApiKey[]>;
  find(tenant: string, id: string): Promise<ApiKey | undefined>;
  rotate(tenant: string, id: string, graceMs: number, trail: AuditTrail): Promise<Rotated>;
  revoke(tenant: string, id: string, trail: AuditTrail): Promise<ApiKey | undefined>;
}

/** @param refresh makes changes known to this producer; the others find them by themselves */
export function createKeyStore(ledger: Ledger, refresh: () => Promise<void>): KeyStore {
  async function changing<Result>(change: Promise<Result>): Promise<Result> {
    const result = await change;
    await refresh();
    return result;
  }
  return {
    issue: (tenant, key, trail) =>
      changing(ledger.run((sql) => issueKey(sql, tenant, key, noteIn(trail)))),
    list: (tenant, page) => ledger.run((sql) => listKeys(sql, { tenant, ...page })),
    find: (tenant, id) => ledger.run((sql) => findKey(sql, id, tenant)),
    rotate: (tenant, id, graceMs, trail) =>
      changing(ledger.run((sql) => rotateKey(sql, id, { tenant, graceMs }, noteIn(trail)))),
    revoke: (tenant, id, trail) =>
      changing(ledger.run((sql) => revokeKey(sql, id, tenant, noteIn(trail)))),
  };
}

function noteIn(trail: AuditTrail): NoteChange {
  return (tx, { id }) => trail.done(tx, `/v1/keys/${id}`);
}
