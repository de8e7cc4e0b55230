import type { RouteHandler } from "@hono/zod-openapi";
import type { getKey as route } from "@toril/contract/api/http/keys";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import type { KeyStore } from "../api-keys/key-store.ts";
import { ProblemError } from "../http/problem.ts";

export function getKey(keys: KeyStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await keys.find(callerOf(c.env).tenant, c.req.valid("param").id);
    if (found === undefined) throw new ProblemError("key-not-found");
    return c.json(found, 200);
  };
}
