import type { Quotas } from "../../api/quota.ts";
import { createKeyQuota, type KeyQuota, type KeyQuotaDeps } from "./key-quota.ts";

/** What is left for a key, by its id, of what it may use. */
export type FindQuota = (id: string, quotas: Quotas) => KeyQuota;

export interface QuotasDeps extends Pick<KeyQuotaDeps, "lease" | "countWaiting"> {
  prefix: string;
}

/** Of how many keys this producer remembers what is left; one that it forgets is asked for again. */
const maxKept = 10_000;

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
