import { limits } from "@toril/contract/api/limits";
import type { Principal } from "../auth/principal.ts";
import { ProblemError } from "./problem.ts";

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
