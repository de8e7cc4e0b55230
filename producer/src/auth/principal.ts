import { defaultTenant } from "@toril/contract/api/api-key";
import { Scope } from "@toril/contract/api/scope";
import type { Quotas } from "@toril/contract/api/quota";

/** Who asks, and what they may do. */
export interface Principal {
  /** Of the key, or of whom a token was made out to. */
  id: string;
  name: string;
  /** `open`: nobody said who they are, and nobody has to. */
  kind: "open" | "key" | "token";
  tenant: string;
  scopes: ReadonlySet<Scope>;
  /** The only queues it reaches; null: all. */
  queues: ReadonlySet<string> | null;
  /** The only job types it reaches; null: all. */
  types: ReadonlySet<string> | null;
  /** What it may use; null: as much as there is. */
  quotas: Quotas | null;
}

/** Whoever calls a service that is open. */
export const everybody: Principal = {
  id: "open",
  name: "open",
  kind: "open",
  tenant: defaultTenant,
  scopes: new Set(Scope.options),
  queues: null,
  types: null,
  quotas: null,
};

export function isPermitted(
  { queues, types }: Principal,
  work: { queue: string; type: string },
): boolean {
  return (queues === null || queues.has(work.queue)) && (types === null || types.has(work.type));
}
