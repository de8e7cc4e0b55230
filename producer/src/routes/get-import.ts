import type { RouteHandler } from "@hono/zod-openapi";
import type { getImport as route } from "@toril/contract/http/imports";
import { queueOf } from "@toril/contract/jobs";
import type { AppEnv } from "../app-env.ts";
import { callerOf, requireReach } from "../caller.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { ProblemError } from "../problem.ts";

export function getImport(imports: ImportLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await imports.find(callerOf(c.env).tenant, c.req.valid("param").id);
    if (found === undefined) throw new ProblemError("import-not-found");
    requireReach(c.env, { type: found.type, queue: queueOf(found.type) });
    return c.json(found, 200);
  };
}
