import type { RouteHandler } from "@hono/zod-openapi";
import type { getReadiness as route, Readiness } from "@toril/contract/api/http/health";
import type { AppEnv } from "../http/app-env.ts";

/**
 * 503 only if no job can be accepted: without Redis the producer still accepts jobs (202), so it must stay in the load
 * balancer.
 */
export function getReadiness(
  readiness: () => Promise<Readiness>,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const state = await readiness();
    return c.json(state, state.status === "ok" || state.status === "degraded" ? 200 : 503);
  };
}
