import type { RouteHandler } from "@hono/zod-openapi";
import type { drainQueue as route } from "@toril/contract/api/http/queues";
import type { AppEnv } from "../http/app-env.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import type { DrainQueue } from "../queues/drain-queue.ts";
import { requireQueue } from "../queues/visible-queues.ts";

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
