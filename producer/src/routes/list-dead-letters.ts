import type { RouteHandler } from "@hono/zod-openapi";
import type { listDeadLetters as route } from "@toril/contract/api/http/dead-letters";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf, getRestrictions } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { type DeadLetters, toDeadLetter } from "../dead-letters/dead-letters.ts";

export function listDeadLetters(letters: DeadLetters): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const { tenant } = callerOf(c.env);
    const asked = { tenant, before, reach: getRestrictions(c.env), ...filter };
    const { rows, next = null } = await letters.list(asked, limit);
    return c.json({ items: rows.map(toDeadLetter), next: next && encodeCursor(next) }, 200);
  };
}
