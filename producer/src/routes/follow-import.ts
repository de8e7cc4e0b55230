import type { RouteHandler } from "@hono/zod-openapi";
import type { followImport as route } from "@toril/contract/http/events";
import { queueOf } from "@toril/contract/jobs";
import type { AppEnv } from "../app-env.ts";
import { callerOf, requireReach } from "../caller.ts";
import type { ImportFollowing } from "../events/follow-import.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { ProblemError } from "../problem.ts";

export function followImport(
  imports: ImportLedger,
  follow: ImportFollowing["follow"],
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await imports.find(callerOf(c.env).tenant, c.req.valid("param").id);
    if (found === undefined) throw new ProblemError("import-not-found");
    requireReach(c.env, { type: found.type, queue: queueOf(found.type) });
    return follow(c.env, found, c.req.valid("header")["last-event-id"]);
  };
}
