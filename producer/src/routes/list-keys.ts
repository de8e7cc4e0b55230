import type { RouteHandler } from "@hono/zod-openapi";
import type { listKeys as route } from "@toril/contract/api/http/keys";
import { KeyId } from "@toril/contract/api/api-key";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import type { KeyStore } from "../api-keys/key-store.ts";

export function listKeys(keys: KeyStore): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const before = cursor === undefined ? undefined : decodeCursor(cursor, KeyId);
    // One more than requested shows whether there is a next page.
    const found = await keys.list(callerOf(c.env).tenant, { before, limit: limit + 1 });
    const items = found.slice(0, limit);
    const last = found.length > limit ? items.at(-1) : undefined;
    return c.json({ items, next: last ? encodeCursor(last.id) : null }, 200);
  };
}
