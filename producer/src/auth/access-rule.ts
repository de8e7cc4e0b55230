import { getRequiredScope } from "@toril/contract/api/http/define/route";
import type { Scope } from "@toril/contract/api/access/scope";

/** What a request needs to access an operation or a page. */
export interface AccessRule {
  /** "any": any valid key, whatever its scopes. "none": no authentication. */
  scope: Scope | "any" | "none";
  /** Opened in browsers, so it also accepts HTTP Basic authentication. */
  isPage: boolean;
  /** Affects all tenants. */
  isShared: boolean;
}

export function toAccessRule(route: { path: string }): AccessRule {
  const scope = getRequiredScope(route);
  // An EventSource sends the credentials of its page, that is Basic authentication.
  const isPage = route.path.endsWith("/events");
  return { scope, isPage, isShared: scope.startsWith("queues:") };
}

/** The rule of every path without one of its own, so that a forgotten page is not open. */
export const anyKey: AccessRule = { scope: "any", isPage: false, isShared: false };

const open: AccessRule = { scope: "none", isPage: true, isShared: false };
const docs: AccessRule = { scope: "any", isPage: true, isShared: false };

/** The rules of all paths that are not operations, as the framework writes paths. */
export const pageRules: Readonly<Record<string, AccessRule>> = {
  "/": open,
  // The files of the console contain no data, and the page must open without a key to sign in.
  "/console": open,
  "/console/:page{.*}": open,
  "/template": { scope: "jobs:enqueue", isPage: true, isShared: false },
  "/metrics": { scope: "metrics:read", isPage: true, isShared: false },
  "/docs": docs,
  "/docs/scalar.js": docs,
  "/openapi.json": docs,
  "/openapi.yaml": docs,
  "/admin/:page{.*}": { scope: "queues:admin", isPage: true, isShared: true },
};
