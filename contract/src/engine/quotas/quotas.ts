import type { Quotas } from "../../api/quota.ts";
import { createKeyQuota, type KeyQuota, type KeyQuotaDeps } from "./key-quota.ts";

/** Returns the quota state of an API key, by its id. */
export type FindQuota = (id: string, quotas: Quotas) => KeyQuota;

export interface QuotasDeps extends Pick<KeyQuotaDeps, "lease" | "countWaiting"> {
  prefix: string;
}

/** How many keys this producer caches; the state of an evicted key is read from Redis again. */
const maxKept = 10_000;

/** Creates a cache of quota states. */
export function createFindQuota({ prefix, ...deps }: QuotasDeps): FindQuota {
  const kept = new Map<string, KeyQuota>();

  return (id, quotas) => {
    const known = kept.get(id);
    if (known !== undefined && areEqual(known.quotas, quotas)) return known;
    const made = createKeyQuota(quotas, {
      ...deps,
      id,
      bucketPrefix: `${prefix}:toril:quota:${id}:`,
      now: () => performance.now(),
    });
    const [oldest] = kept.keys();
    if (kept.size >= maxKept && oldest !== undefined) kept.delete(oldest);
    kept.set(id, made);
    return made;
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
