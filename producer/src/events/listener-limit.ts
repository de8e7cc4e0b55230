import type { Principal } from "../auth/principal.ts";

type Listener = Pick<Principal, "id" | "kind" | "tenant">;

/**
 * Limits waiting requests and streams together. A tenant may use half of the slots and a key a quarter; without
 * authentication only the total counts.
 */
export interface ListenerLimit {
  readonly taken: number;
  /** Returns a function that releases the slot, or the limit that is exhausted. */
  take(listener: Listener): (() => void) | "all" | "tenant" | "key";
}

export function createListenerLimit(max: number): ListenerLimit {
  const byTenant = createCounts();
  const byKey = createCounts();
  const [maxOfTenant, maxOfKey] = [Math.ceil(max / 2), Math.ceil(max / 4)];
  let taken = 0;
  return {
    get taken() {
      return taken;
    },
    take({ id, kind, tenant }) {
      if (taken >= max) return "all";
      if (kind !== "open" && byTenant.of(tenant) >= maxOfTenant) return "tenant";
      // Key ids are unique only within a tenant.
      const key = JSON.stringify([tenant, id]);
      if (kind !== "open" && byKey.of(key) >= maxOfKey) return "key";
      let isTaken = true;
      taken += 1;
      byTenant.add(tenant, 1);
      byKey.add(key, 1);
      return () => {
        if (!isTaken) return;
        isTaken = false;
        taken -= 1;
        byTenant.add(tenant, -1);
        byKey.add(key, -1);
      };
    },
  };
}

function createCounts() {
  const counts = new Map<string, number>();
  const of = (name: string) => counts.get(name) ?? 0;
  return {
    of,
    add(name: string, change: number) {
      const count = of(name) + change;
      if (count > 0) counts.set(name, count);
      else counts.delete(name);
    },
  };
}
