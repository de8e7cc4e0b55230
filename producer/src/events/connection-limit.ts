import type { Principal } from "../auth/principal.ts";

type Caller = Pick<Principal, "id" | "kind" | "tenant">;

/**
 * Limits the connections of waiting requests and event streams together. A tenant may hold half of them and a key a
 * quarter; without authentication only the total counts.
 */
export interface ConnectionLimit {
  readonly count: number;
  /** Returns a function that releases the connection, or the limit that is exhausted. */
  acquire(caller: Caller): (() => void) | "all" | "tenant" | "key";
}

export function createConnectionLimit(max: number): ConnectionLimit {
  const byTenant = createCounts();
  const byKey = createCounts();
  const [maxPerTenant, maxPerKey] = [Math.ceil(max / 2), Math.ceil(max / 4)];
  let total = 0;
  return {
    get count() {
      return total;
    },
    acquire({ id, kind, tenant }) {
      if (total >= max) return "all";
      if (kind !== "open" && byTenant.get(tenant) >= maxPerTenant) return "tenant";
      // Key ids are unique only within a tenant.
      const key = JSON.stringify([tenant, id]);
      if (kind !== "open" && byKey.get(key) >= maxPerKey) return "key";
      let isHeld = true;
      total += 1;
      byTenant.add(tenant, 1);
      byKey.add(key, 1);
      return () => {
        if (!isHeld) return;
        isHeld = false;
        total -= 1;
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

/** Bytes that all streams together hold unread. */
export interface UnreadBudget {
  readonly bytes: number;
  /** Sets the unread bytes of a stream. While the total exceeds the limit, the stream with the most is disconnected. */
  set(stream: UnreadStream, bytes: number): void;
}

export interface UnreadStream {
  disconnect(): void;
}

export function createUnreadBudget(maxBytes: number): UnreadBudget {
  const byStream = new Map<UnreadStream, number>();
  let total = 0;

  function findLargest() {
    let largest: UnreadStream | undefined;
    let largestBytes = 0;
    for (const [stream, bytes] of byStream) {
      if (bytes > largestBytes) [largest, largestBytes] = [stream, bytes];
    }
    return largest;
  }

  function set(stream: UnreadStream, bytes: number) {
    total += bytes - (byStream.get(stream) ?? 0);
    if (bytes > 0) byStream.set(stream, bytes);
    else byStream.delete(stream);
    while (total > maxBytes) {
      const slowest = findLargest();
      if (slowest === undefined) return;
      set(slowest, 0);
      slowest.disconnect();
    }
  }

  return {
    get bytes() {
      return total;
    },
    set,
  };
}
