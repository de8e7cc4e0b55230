import { getRequiredScope } from "@toril/contract/api/http/route";
import type { Scope } from "@toril/contract/api/scope";
import { type Operation, operations } from "../operations/operations.ts";

/** What a request needs to access a path. */
export interface AccessRule {
  /** "any": any valid key, whatever its scopes. "none": no authentication. */
  scope: Scope | "any" | "none";
  /** Opened in browsers, so it also accepts HTTP Basic authentication. */
  isPage: boolean;
  /** Affects all tenants. */
  isShared: boolean;
}

const ofOperations = new Map<Operation, AccessRule>(
  operations.map((operation) => {
    const scope = getRequiredScope(operation);
    // An EventSource sends the credentials of its page, that is Basic authentication.
    const isPage = operation.path.endsWith("/events");
    return [operation, { scope, isPage, isShared: scope === "queues:admin" }];
  }),
);
const docs: AccessRule = { scope: "any", isPage: true, isShared: false };
const ofPages = new Map<string, AccessRule>([
  ["/", { scope: "none", isPage: true, isShared: false }],
  ["/template", { scope: "jobs:write", isPage: true, isShared: false }],
  ["/metrics", { scope: "metrics:read", isPage: true, isShared: false }],
  ["/docs", docs],
  ["/docs/scalar.js", docs],
  ["/openapi.json", docs],
  ["/openapi.yaml", docs],
]);
const admin: AccessRule = { scope: "queues:admin", isPage: true, isShared: true };

/** Returns the access rule of a path; undefined for an unknown path. */
export function accessRuleFor(
  path: string,
  operation: Operation | undefined,
): AccessRule | undefined {
  if (operation !== undefined) return ofOperations.get(operation);
  return path.startsWith("/admin/") ? admin : ofPages.get(path);
}
