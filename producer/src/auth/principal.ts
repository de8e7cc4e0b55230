import { defaultTenant } from "@toril/contract/api/access/api-key";
import { Scope } from "@toril/contract/api/access/scope";
import type { Quotas } from "@toril/contract/api/access/quota";

/** The authenticated caller and its permissions. */
export interface Principal {
  /** The id of the key, or the subject of the token. */
  id: string;
  name: string;
  /** `open`: the service runs without authentication. */
  kind: "open" | "key" | "token";
  tenant: string;
  /** Including the scopes that others include. */
  scopes: ReadonlySet<Scope>;
  /** The only queues permitted; null permits all. */
  queues: ReadonlySet<string> | null;
  /** The only job types permitted; null permits all. */
  types: ReadonlySet<string> | null;
  /** Null means unlimited. */
  quotas: Quotas | null;
}

/** The principal of every caller while the service runs without authentication. */
export const openPrincipal: Principal = {
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

/** Whether both principals may access the same tenant, queues and types. */
export function hasSameRestrictions(one: Principal, other: Principal): boolean {
  return (
    one === other ||
    (one.tenant === other.tenant &&
      areEqual(one.queues, other.queues) &&
      areEqual(one.types, other.types))
  );
}

function areEqual(one: ReadonlySet<string> | null, other: ReadonlySet<string> | null): boolean {
  if (one === null || other === null) return one === other;
  return one.symmetricDifference(other).size === 0;
}
