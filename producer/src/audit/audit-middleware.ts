import type { MiddlewareHandler } from "hono";
import { getRequiredScope } from "@toril/contract/api/http/define/route";
import { isConsoleRequest } from "../auth/console-session.ts";
import type { AnyRoute, AppEnv, RequestContext } from "../http/request-context.ts";
import type { Audit, AuditTrail } from "./audit.ts";

/** Audited for all callers, like scopes that end with `:admin`. */
const auditedScopes = new Set<string>(["schedules:write", "operations:write"]);
/**
 * Audited for people at the console only: programs change thousands of jobs per second, and all entries of the log form
 * one chain.
 */
const consoleScopes = new Set<string>(["jobs:enqueue", "jobs:change"]);

/** Whether every request of the operation is audited. */
export function isAudited(route: AnyRoute): boolean {
  const scope = getRequiredScope(route);
  return route.method !== "get" && (scope.endsWith(":admin") || auditedScopes.has(scope));
}

/** Whether requests of the console for the operation are audited. */
export function isAuditedForConsole(route: AnyRoute): boolean {
  return route.method !== "get" && consoleScopes.has(getRequiredScope(route));
}

/** Gives the handler of an audited operation its audit trail, and ends the trail with the outcome of the request. */
export function createAuditMiddleware(audit: Audit, route: AnyRoute): MiddlewareHandler<AppEnv> {
  const always = isAudited(route);
  return async (c, next) => {
    if (!always && !isConsoleRequest(c.req.raw.headers)) return next();
    const trail = beginTrail(audit, c.env, route.operationId);
    c.env.trail = trail;
    await next();
    const success = c.res.headers.has("Idempotency-Replayed") ? "replayed" : "done";
    await trail.end(c.env.problem ?? success);
  };
}

/** Begins the trail of an authenticated request. */
export function beginTrail(audit: Audit, context: RequestContext, action: string): AuditTrail {
  const { principal, path, requestId } = context;
  return audit.begin({
    actor: principal.kind === "open" ? "anyone" : `${principal.kind}:${principal.id}`,
    tenant: principal.tenant,
    action,
    target: path,
    address: context.address(),
    requestId,
  });
}
