import type { RouteHandler } from "@hono/zod-openapi";
import type { cleanQueue as route } from "@toril/contract/api/http/queues";
import { limits } from "@toril/contract/api/job";
import { fieldErrors } from "@toril/contract/api/problem";
import { QueueCleaning } from "@toril/contract/api/queue";
import { z } from "zod";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { readJson } from "../http/body.ts";
import type { CleanQueue } from "../queues/clean-queue.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { ProblemError } from "../http/problem.ts";
import { requireQueue } from "../queues/visible-queues.ts";

const Offset = z.string().regex(/^\d{1,9}$/);

export function cleanQueue(clean: CleanQueue): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const { queue } = c.req.valid("param");
    requireQueue(c.env, queue);
    const { cursor } = c.req.valid("query");
    const offset = cursor === undefined ? 0 : Number(decodeCursor(cursor, Offset));
    const parsed = QueueCleaning.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
    }
    const { olderThanMs } = parsed.data;
    const { removed, next } = await clean(c.env.principal.tenant, queue, { olderThanMs, offset });
    return c.json({ removed, next: next === null ? null : encodeCursor(String(next)) }, 200);
  };
}
