import type { RouteHandler } from "@hono/zod-openapi";
import type { summarizeDeadLetters as route } from "@toril/contract/api/http/dead-letters";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf, getRestrictions } from "../http/caller.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";

export function summarizeDeadLetters(letters: DeadLetters): RouteHandler<typeof route, AppEnv> {
  return async (c) =>
    c.json(await letters.summarize(callerOf(c.env).tenant, getRestrictions(c.env)), 200);
}
