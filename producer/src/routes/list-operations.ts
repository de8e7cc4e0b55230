import type { RouteHandler } from "@hono/zod-openapi";
import type { listOperations as route } from "@toril/contract/api/http/operations";
import type { AppEnv } from "../http/app-env.ts";
import { operationViewerOf } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import type { OperationLedger } from "../operations/operation-ledger.ts";

export function listOperations(operations: OperationLedger): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    // One more than requested shows whether there is a next page.
    const found = await operations.list(operationViewerOf(c.env), before, limit + 1);
    const items = found.slice(0, limit);
    const last = found.length > limit ? items.at(-1) : undefined;
    return c.json({ items, next: last ? encodeCursor(last.id) : null }, 200);
  };
}
