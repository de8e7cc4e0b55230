import type { ApiKey } from "@toril/contract/keys/api-key";

/** One line for people. */
export function describeKey(key: ApiKey): string {
  const limits = [
    key.queues && `queues ${key.queues.join(",")}`,
    key.types && `types ${key.types.join(",")}`,
    key.expiresAt && `until ${key.expiresAt}`,
  ].filter(Boolean);
  const what = [key.scopes.join(","), ...limits].join("; ");
  return `${key.id} "${key.name}" of tenant ${key.tenant}: ${what}`;
}
