import type { RouteHandler } from "@hono/zod-openapi";
import type { followImport as route } from "@toril/contract/http/events";
import type { AppEnv } from "../app-env.ts";
import type { ImportFollowing } from "../events/follow-import.ts";
import type { ImportLedger } from "../import-ledger.ts";
import { requireImport } from "../require-import.ts";

export function followImport(
  imports: ImportLedger,
  follow: ImportFollowing["follow"],
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const found = await requireImport(imports, c.env, c.req.valid("param").id);
    return follow(c.env, found, c.req.valid("header")["last-event-id"]);
  };
}
