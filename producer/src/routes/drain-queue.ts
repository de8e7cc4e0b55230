import type { RouteHandler } from "@hono/zod-openapi";
import type { drainQueue as route } from "@toril/contract/http/queues";
import type { AppEnv } from "../app-env.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import type { DrainQueue } from "../drain-queue.ts";
import { requireQueue } from "../queue-reach.ts";

export function drainQueue(drain: DrainQueue): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { queue } = c.req.valid("param");
    requireQueue(c.env, queue);
    const { delayed, cursor } = c.req.valid("query");
    const { cancelled, next } = await drain(c.env.principal.tenant, queue, {
      isDelayedToo: delayed === "true",
      after: cursor === undefined ? undefined : decodeCursor(cursor),
    });
    return c.json({ cancelled, next: next === null ? null : encodeCursor(next) }, 200);
  };
}
