import type { RouteHandler } from "@hono/zod-openapi";
import type { getImport as route } from "@toril/contract/http/imports";
import { queueOf } from "@toril/contract/jobs";
import type { AppEnv } from "../app-env.ts";
import { callerOf, requireReach } from "../caller.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { ProblemError } from "../problem.ts";

export function getImport(imports: ImportLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const { tenant } = callerOf(c.env);
    const found = await imports.find(tenant, id);
    if (found === undefined) throw new ProblemError(await imports.whyMissing(tenant, id));
    requireReach(c.env, { type: found.type, queue: queueOf(found.type) });
    return c.json(found, 200);
  };
}
