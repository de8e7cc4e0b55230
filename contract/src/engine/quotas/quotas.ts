import type { Quotas } from "../../api/access/quota.ts";
import { createKeyQuota, type KeyQuota, type KeyQuotaDeps } from "./key-quota.ts";

/** Returns the quota state of an API key, by its id. */
export type FindQuota = (id: string, quotas: Quotas) => KeyQuota;

export interface QuotasDeps extends Pick<KeyQuotaDeps, "lease" | "countWaiting"> {
  prefix: string;
}

/** How many keys this producer caches; the state of an evicted key is read from Redis again. */
const maxCached = 10_000;

/** Creates a cache of quota states. */
export function createFindQuota({ prefix, ...deps }: QuotasDeps): FindQuota {
  const cached = new Map<string, KeyQuota>();

  return (id, quotas) => {
    const existing = cached.get(id);
    if (existing !== undefined && areEqual(existing.quotas, quotas)) return existing;
    const created = createKeyQuota(quotas, {
      ...deps,
      id,
      bucketPrefix: `${prefix}:toril:quota:${id}:`,
      now: () => performance.now(),
    });
    const [oldest] = cached.keys();
    if (cached.size >= maxCached && oldest !== undefined) cached.delete(oldest);
    cached.set(id, created);
    return created;
  };
}

function areEqual(one: Quotas, other: Quotas) {
  return (
    one === other ||
    (one.rate === other.rate &&
      one.burst === other.burst &&
      one.maxWaiting === other.maxWaiting &&
      one.bytes === other.bytes)
  );
}
