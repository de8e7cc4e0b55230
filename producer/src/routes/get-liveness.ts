import type { RouteHandler } from "@hono/zod-openapi";
import type { getLiveness as route } from "@toril/contract/api/http/health";
import type { AppEnv } from "../http/app-env.ts";

export function getLiveness(): RouteHandler<typeof route, AppEnv> {
  return (c) => c.json({ status: "ok" }, 200);
}
