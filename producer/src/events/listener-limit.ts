import type { Principal } from "../auth/principal.ts";

type Listener = Pick<Principal, "id" | "kind" | "tenant">;

/**
 * How many may listen at the same time: requests that wait and streams together. One tenant gets half of the places,
 * and one key a quarter; while the service is open, everybody is one tenant and only the total counts.
 */
export interface ListenerLimit {
  readonly taken: number;
  /** Returns what gives the place back; or which limit is reached. */
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
      // Ids of keys are unique in a tenant only.
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
