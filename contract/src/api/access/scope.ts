import { z } from "zod";

/** The permissions of an API key. Some include others. */
export const Scope = z.enum([
  "jobs:write",
  "jobs:enqueue",
  "jobs:change",
  "jobs:callback",
  "schedules:write",
  "operations:write",
  "jobs:read",
  "jobs:work",
  "types:admin",
  "webhooks:admin",
  "queues:admin",
  "keys:admin",
  "queues:read",
  "types:read",
  "webhooks:read",
  "keys:read",
  "metrics:read",
  "audit:read",
  "all:read",
]);
export type Scope = z.infer<typeof Scope>;

/** The scopes that a scope includes. */
const included: { readonly [Name in Scope]?: readonly Scope[] } = {
  "jobs:write": ["jobs:enqueue", "jobs:change", "schedules:write", "operations:write"],
  "types:admin": ["types:read"],
  "webhooks:admin": ["webhooks:read"],
  "queues:admin": ["queues:read"],
  "keys:admin": ["keys:read", "audit:read"],
  "all:read": [
    "jobs:read",
    "queues:read",
    "types:read",
    "webhooks:read",
    "keys:read",
    "metrics:read",
    "audit:read",
  ],
};

/** Returns the given scopes and those that they include. */
export function expandScopes(scopes: Iterable<Scope>): Set<Scope> {
  const all = new Set(scopes);
  for (const scope of all) for (const each of included[scope] ?? []) all.add(each);
  return all;
}

/** Returns the scopes of which one suffices for an operation that requires `scope`. */
export function getSufficientScopes(scope: Scope): Scope[] {
  return [scope, ...Scope.options.filter((other) => included[other]?.includes(scope))];
}
