import type { RouteHandler } from "@hono/zod-openapi";
import type { followImport as route } from "@toril/contract/api/http/events";
import type { AppEnv } from "../http/app-env.ts";
import type { ImportFollowing } from "../events/follow-import.ts";
import type { ImportLedger } from "../imports/import-ledger.ts";
import { requireImport } from "../imports/require-import.ts";

export function followImport(
  imports: ImportLedger,
  follow: ImportFollowing["follow"],
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await requireImport(imports, c.env, c.req.valid("param").id);
    return follow(c.env, found, c.req.valid("header")["last-event-id"]);
  };
}
