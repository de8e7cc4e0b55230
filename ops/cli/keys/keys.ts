import type { ApiKeyChange, NewApiKey, Sent } from "@toril/client";
import type { ApiKey, IssuedApiKey } from "@toril/contract/api/access/api-key";

/** The keys of the tenant at the service, or all keys of the ledger. */
export interface Keys {
  /** Lists the keys, newest first. */
  list(): Promise<ApiKey[]>;
  create(key: Sent<NewApiKey>): Promise<{ key: IssuedApiKey; isFirst: boolean }>;
  change(id: string, change: Sent<ApiKeyChange>): Promise<ApiKey>;
  rotate(id: string, graceMs: number): Promise<IssuedApiKey>;
  revoke(id: string): Promise<ApiKey>;
}
