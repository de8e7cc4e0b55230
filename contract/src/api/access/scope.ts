import { z } from "zod";

/** The permissions of an API key. Only `jobs:write` includes others. */
export const Scope = z.enum([
  "jobs:write",
  "jobs:enqueue",
  "jobs:change",
  "schedules:write",
  "operations:write",
  "jobs:read",
  "jobs:work",
  "types:admin",
  "webhooks:admin",
  "queues:admin",
  "keys:admin",
  "metrics:read",
]);
export type Scope = z.infer<typeof Scope>;

/** The scopes that `jobs:write` includes. */
const writeScopes: readonly Scope[] = [
  "jobs:enqueue",
  "jobs:change",
  "schedules:write",
  "operations:write",
];

/** Returns the given scopes and those that they include. */
export function expandScopes(scopes: Iterable<Scope>): Set<Scope> {
  const all = new Set(scopes);
  if (all.has("jobs:write")) for (const scope of writeScopes) all.add(scope);
  return all;
}

/** Returns the scopes of which one suffices for an operation that requires `scope`. */
export function getSufficientScopes(scope: Scope): Scope[] {
  return writeScopes.includes(scope) ? [scope, "jobs:write"] : [scope];
}
