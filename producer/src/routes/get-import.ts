import type { RouteHandler } from "@hono/zod-openapi";
import type { getImport as route } from "@toril/contract/api/http/imports";
import type { AppEnv } from "../http/app-env.ts";
import type { ImportLedger } from "../imports/import-ledger.ts";
import { requireImport } from "../imports/require-import.ts";

export function getImport(imports: ImportLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    return c.json(await requireImport(imports, c.env, c.req.valid("param").id), 200);
  };
}
