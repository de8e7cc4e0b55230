import type { RouteHandler } from "@hono/zod-openapi";
import type { getImport as route } from "@toril/contract/http/imports";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { ProblemError } from "../problem.ts";

export function getImport(imports: ImportLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await imports.find(callerOf(c.env).tenant, c.req.valid("param").id);
    if (found === undefined) throw new ProblemError("import-not-found");
    return c.json(found, 200);
  };
}
