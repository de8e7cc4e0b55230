import type { Principal } from "../auth/principal.ts";

type Caller = Pick<Principal, "id" | "kind" | "tenant">;

/**
 * Limits waiting requests and streams together. A tenant may use half of the slots and a key a quarter; without
 * authentication only the total counts.
 */
export interface ConnectionLimit {
  readonly count: number;
  /** Returns a function that releases the slot, or the limit that is exhausted. */
  acquire(listener: Caller): (() => void) | "all" | "tenant" | "key";
}

export function createConnectionLimit(max: number): ConnectionLimit {
  const byTenant = createCounts();
  const byKey = createCounts();
  const [maxPerTenant, maxPerKey] = [Math.ceil(max / 2), Math.ceil(max / 4)];
  let taken = 0;
  return {
    get count() {
      return taken;
    },
    acquire({ id, kind, tenant }) {
      if (taken >= max) return "all";
      if (kind !== "open" && byTenant.get(tenant) >= maxPerTenant) return "tenant";
      // Key ids are unique only within a tenant.
      const key = JSON.stringify([tenant, id]);
      if (kind !== "open" && byKey.get(key) >= maxPerKey) return "key";
      let isHeld = true;
      taken += 1;
      byTenant.add(tenant, 1);
      byKey.add(key, 1);
      return () => {
        if (!isHeld) return;
        isHeld = false;
        taken -= 1;
        byTenant.add(tenant, -1);
        byKey.add(key, -1);
      };
    },
  };
}

function createCounts() {
  const counts = new Map<string, number>();
  const get = (name: string) => counts.get(name) ?? 0;
  return {
    get,
    add(name: string, change: number) {
      const count = get(name) + change;
      if (count > 0) counts.set(name, count);
      else counts.delete(name);
    },
  };
}
