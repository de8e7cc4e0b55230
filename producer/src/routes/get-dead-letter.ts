import type { RouteHandler } from "@hono/zod-openapi";
import type { getDeadLetter as route } from "@toril/contract/api/http/dead-letters";
import type { AppEnv } from "../http/app-env.ts";
import { type DeadLetters, toInspected } from "../dead-letters/dead-letters.ts";
import { requireDeadLetter } from "../dead-letters/require-dead-letter.ts";

export function getDeadLetter(letters: DeadLetters): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const row = await requireDeadLetter(letters, c.env, c.req.valid("param").id);
    return c.json(toInspected(row), 200);
  };
}
