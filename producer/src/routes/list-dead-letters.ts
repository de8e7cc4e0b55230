import type { RouteHandler } from "@hono/zod-openapi";
import type { listDeadLetters as route } from "@toril/contract/http/dead-letters";
import type { AppEnv } from "../app-env.ts";
import { callerOf, reachOf } from "../caller.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { type DeadLetters, toDeadLetter } from "../dead-letters.ts";

export function listDeadLetters(letters: DeadLetters): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { cursor, limit, ...filter } = c.req.valid("query");
    const before = cursor === undefined ? undefined : decodeCursor(cursor);
    const { tenant } = callerOf(c.env);
    // One more than asked tells whether there is a next page.
    const rows = await letters.list(
      { tenant, before, reach: reachOf(c.env), ...filter },
      limit + 1,
    );
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return c.json(
      { items: page.map(toDeadLetter), next: last ? encodeCursor(last.id) : null },
      200,
    );
  };
}
