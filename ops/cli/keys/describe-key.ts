import type { ApiKey } from "@toril/contract/api/access/api-key";
import type { Quotas } from "@toril/contract/api/access/quota";

/** Describes a key in one line. */
export function describeKey(key: ApiKey): string {
  const limits = [
    key.queues && `queues ${key.queues.join(",")}`,
    key.types && `types ${key.types.join(",")}`,
    key.quotas && describeQuotas(key.quotas),
    key.expiresAt && `until ${key.expiresAt}`,
  ].filter(Boolean);
  const what = [key.scopes.join(","), ...limits].join("; ");
  return `${key.id} "${key.name}" of tenant ${key.tenant}: ${what}`;
}

export function describeQuotas({ rate, burst, maxWaiting, bytes }: Quotas): string {
  const parts = [
    rate && `${rate} jobs/s`,
    burst && `${burst} at once`,
    maxWaiting && `${maxWaiting} waiting`,
    bytes && `${bytes} bytes/s`,
  ];
  return parts.filter(Boolean).join(", ");
}
