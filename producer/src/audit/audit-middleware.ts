import type { MiddlewareHandler } from "hono";
import { getRequiredScope } from "@toril/contract/api/http/define/route";
import type { AnyRoute, AppEnv } from "../http/request-context.ts";
import type { Audit } from "./audit.ts";

/** Whether the operation changes something and requires an admin scope. */
export function isAudited(route: AnyRoute): boolean {
  const scope = getRequiredScope(route);
  return route.method !== "get" && scope.endsWith(":admin");
}

/** Gives the handler of an audited operation its audit trail, and ends the trail with the outcome of the request. */
export function createAuditMiddleware(audit: Audit, route: AnyRoute): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { principal, path, requestId } = c.env;
    const trail = audit.begin({
      actor: principal.kind === "open" ? "anyone" : `${principal.kind}:${principal.id}`,
      tenant: principal.tenant,
      action: route.operationId,
      target: path,
      address: c.env.address(),
      requestId,
    });
    c.env.trail = trail;
    await next();
    const success = c.res.headers.has("Idempotency-Replayed") ? "replayed" : "done";
    await trail.end(c.env.problem ?? success);
  };
}
