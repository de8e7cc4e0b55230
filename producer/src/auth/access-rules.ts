import { getRequiredScope } from "@toril/contract/api/http/route";
import type { Scope } from "@toril/contract/api/scope";
import { type Operation, operations } from "../operations/operations.ts";

/** What it takes to come in at an address. */
export interface AccessRule {
  /** "any": whoever has a key. "none": anyone. */
  scope: Scope | "any" | "none";
  /** Opened in browsers, which ask a person for a name and a password. */
  isPage: boolean;
  /** Shows what all tenants share. */
  isShared: boolean;
}

const ofOperations = new Map<Operation, AccessRule>(
  operations.map((operation) => {
    const scope = getRequiredScope(operation);
    // An EventSource says who asks as its page did.
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

/** Undefined for an address that leads nowhere, whatever may be served there. */
export function accessRuleFor(
  path: string,
  operation: Operation | undefined,
): AccessRule | undefined {
  if (operation !== undefined) return ofOperations.get(operation);
  return path.startsWith("/admin/") ? admin : ofPages.get(path);
}
