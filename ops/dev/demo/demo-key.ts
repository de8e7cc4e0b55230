import type { NewApiKey } from "@toril/contract/api/access/api-key";
import { issueKey, listKeys, revokeKey } from "@toril/contract/engine/api-keys/key-ledger";
import type { Sql } from "postgres";

import { recordChangeAs } from "../../cli/audit/record-change.ts";

export interface DemoKey extends AsyncDisposable {
  headers: Record<string, string>;
}

/** Creates a temporary key for the demo, unless no key exists: the first key would turn on authentication. */
export async function openDemoKey(sql: Sql): Promise<DemoKey> {
  const [known] = await listKeys(sql, { limit: 1 });
  if (known === undefined) return { headers: {}, async [Symbol.asyncDispose]() {} };
  const request: NewApiKey = {
    name: "npm start",
    scopes: ["jobs:write", "jobs:read"],
    queues: null,
    types: null,
    quotas: null,
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const { id, key } = await issueKey(
    sql,
    "default",
    request,
    recordChangeAs("npm start", "createKey"),
  );
  return {
    headers: { authorization: `Bearer ${key}` },
    async [Symbol.asyncDispose]() {
      await revokeKey(sql, id, undefined, recordChangeAs("npm start", "revokeKey"));
    },
  };
}
