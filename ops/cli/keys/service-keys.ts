import { createClient } from "@toril/client";
import type { ApiKey } from "@toril/contract/api/access/api-key";
import type { Connection } from "../connection/connect.ts";
import type { Keys } from "./keys.ts";

/** Keys of the caller's tenant, through the API. */
export function createServiceKeys({ url, key: apiKey }: Connection, signal: AbortSignal): Keys {
  const client = createClient({ baseUrl: url, apiKey });
  return {
    async list() {
      const keys: ApiKey[] = [];
      let cursor: string | undefined;
      do {
        const page = await client.listKeys({ cursor, limit: 500 }, { signal });
        keys.push(...page.items);
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      return keys;
    },
    // The service accepts a request without a key only while there are no keys.
    create: async (request) => ({
      key: await client.createKey(request, { signal }),
      isFirst: apiKey === undefined,
    }),
    change: (id, change) => client.changeKey(id, change, { signal }),
    rotate: (id, graceMs) => client.rotateKey(id, { graceMs }, { signal }),
    revoke: (id) => client.revokeKey(id, { signal }),
  };
}
