import type { RouteHandler } from "@hono/zod-openapi";
import type { getImport as route } from "@toril/contract/http/imports";
import type { AppEnv } from "../app-env.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { requireImport } from "../require-import.ts";

export function getImport(imports: ImportLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    return c.json(await requireImport(imports, c.env, c.req.valid("param").id), 200);
  };
}
