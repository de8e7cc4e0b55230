import { ProblemError } from "./problem.ts";

/** What the bodies of all requests may hold together while they are read. */
export interface MemoryBudget {
  /** Throws a problem when it is used up. */
  take(bytes: number): void;
  giveBack(bytes: number): void;
}

export function createMemoryBudget(maxBytes: number): MemoryBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > maxBytes) {
        throw new ProblemError("at-capacity", "Nothing was stored. Try again.");
      }
      taken += bytes;
    },
    giveBack(bytes) {
      taken -= bytes;
    },
  };
}
