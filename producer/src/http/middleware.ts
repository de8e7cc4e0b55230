import { escapePointer } from "@toril/contract/api/json/json";
import {
  createAuditMiddleware,
  isAudited,
  isAuditedForConsole,
} from "../audit/audit-middleware.ts";
import type { Audit } from "../audit/audit.ts";
import { type AccessRule, toAccessRule } from "../auth/access-rule.ts";
import type { Authorize } from "../auth/access.ts";
import { isReplayable } from "../idempotency/replay-middleware.ts";
import { ProblemError, problemResponse } from "./problem.ts";
import type { AnyRoute, AppEnv } from "./request-context.ts";
import type { MiddlewareHandler } from "hono";

type Middleware = MiddlewareHandler<AppEnv>;

export interface MiddlewareDeps {
  authorize: Authorize;
  audit: Audit;
  /** Replays stored responses to requests with an Idempotency-Key. */
  replay: Middleware;
}

export interface RequestMiddleware {
  /** Returns the middleware of an operation, in order; the framework runs it before the validators of the route. */
  of(route: AnyRoute): Middleware[];
  /** Lets only authorized requests to a page pass. */
  requireAccess(rule: AccessRule): Middleware;
}

export function createMiddleware({ authorize, audit, replay }: MiddlewareDeps): RequestMiddleware {
  function requireAccess(rule: AccessRule): Middleware {
    return async (c, next) => {
      const pending = authorize(c.env, rule);
      const refusal = pending instanceof Promise ? await pending : pending;
      return refusal === undefined ? next() : problemResponse(c.env, refusal);
    };
  }

  return {
    of(route) {
      const requireScope = requireAccess(toAccessRule(route));
      return [
        (c, next) => {
          c.env.route = route;
          return requireScope(c, next);
        },
        ...(isAudited(route) || isAuditedForConsole(route)
          ? [createAuditMiddleware(audit, route)]
          : []),
        ...(400 in route.responses ? [refuseNul] : []),
        ...(isReplayable(route) ? [replay] : []),
      ];
    },
    requireAccess,
  };
}

/** Throws a problem for NUL characters in the query: Postgres cannot store them and fails queries that contain them. */
const refuseNul: Middleware = (c, next) => {
  const { url } = c.env.request;
  const start = url.indexOf("?");
  if (start === -1 || !url.includes("%00", start)) return next();
  const errors = [...new URLSearchParams(url.slice(start))]
    .filter(([, value]) => value.includes("\0"))
    .map(([name]) => ({
      pointer: `/${escapePointer(name)}`,
      detail: "Contains a NUL character.",
    }));
  if (errors.length > 0) throw new ProblemError("invalid-parameter", undefined, errors);
  return next();
};
