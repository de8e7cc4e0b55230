import { limits } from "@toril/contract/api/limits";
import type { Principal } from "../auth/principal.ts";
import { ProblemError } from "./problem.ts";

/** Bytes of large bodies that are read per millisecond for one tenant: many times what its jobs could be recorded at. */
const bytesPerMs = 64_000;
/** A tenant may read this much at once after a pause. */
const burstBytes = 8_000_000;
const maxTenants = 10_000;

/**
 * Limits how fast the large bodies of a tenant are read. Reading one costs a millisecond of CPU time for each 300 kB,
 * before anything can be refused, so that a few clients with invalid bodies could keep every processor busy.
 */
export interface ReadPace {
  /** Counts bytes that were read; returns how long the tenant must wait before it reads on, in ms. */
  take(bytes: number, tenant: string): number;
}

export function createReadPace(now: () => number = () => performance.now()): ReadPace {
  /** When the bytes read so far are accounted for. */
  const accountedAt = new Map<string, number>();
  return {
    take(bytes, tenant) {
      const time = now();
      const idleAt = time - burstBytes / bytesPerMs;
      const at = Math.max(accountedAt.get(tenant) ?? idleAt, idleAt) + bytes / bytesPerMs;
      if (accountedAt.size >= maxTenants) accountedAt.clear();
      accountedAt.set(tenant, at);
      return Math.max(0, at - time);
    },
  };
}

type Holder = Pick<Principal, "kind" | "tenant">;

/** Memory that request bodies may use together while they are read. A tenant may use half of it. */
export interface MemoryBudget {
  /** Throws a problem if the budget is exhausted. */
  take(bytes: number, holder: Holder): void;
  release(bytes: number, holder: Holder): void;
}

export function createMemoryBudget(maxBytes: number): MemoryBudget {
  const share = Math.max(maxBytes / 2, limits.bulkBodyBytes);
  const takenBy = new Map<string, number>();
  let taken = 0;
  return {
    take(bytes, { kind, tenant }) {
      const own = (takenBy.get(tenant) ?? 0) + bytes;
      // Without authentication all callers are one tenant, which may use the whole budget.
      if (taken + bytes > maxBytes || (kind !== "open" && own > share)) {
        throw new ProblemError("at-capacity", "Nothing was stored. Try again.");
      }
      taken += bytes;
      takenBy.set(tenant, own);
    },
    release(bytes, { tenant }) {
      const own = (takenBy.get(tenant) ?? 0) - bytes;
      taken -= bytes;
      if (own > 0) takenBy.set(tenant, own);
      else takenBy.delete(tenant);
    },
  };
}
