import type { NewApiKey } from "@toril/contract/api/access/api-key";
import { issueKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Scope } from "@toril/contract/api/access/scope";
import type { _Stores } from "./_producer.ts";

type Overrides = Partial<Omit<NewApiKey, "scopes">> & { tenant?: string };

/** Creates a key in Postgres, as the command does. */
export function _issue(
  { sql }: _Stores,
  scopes: Scope[],
  { tenant, ...overrides }: Overrides = {},
) {
  const key = {
    name: "test",
    scopes,
    queues: null,
    types: null,
    quotas: null,
    expiresAt: null,
    ...overrides,
  };
  return issueKey(sql, tenant ?? "default", key, async () => {});
}

export function _bearer(key: string): { Authorization: string } {
  return { Authorization: `Bearer ${key}` };
}

/** Basic authentication as browsers send it. */
export function _basic(password: string, name = "toril"): { Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` };
}
