import type { RouteHandler } from "@hono/zod-openapi";
import type { revokeKey as route } from "@toril/contract/api/http/keys";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import type { KeyStore } from "../api-keys/key-store.ts";
import { ProblemError } from "../http/problem.ts";

export function revokeKey(keys: KeyStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const revoked = await keys.revoke(callerOf(c.env).tenant, id, c.env.trail);
    if (revoked === undefined) throw new ProblemError("key-not-found");
    return c.json(revoked, 200);
  };
}
