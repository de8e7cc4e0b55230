import type { RouteHandler } from "@hono/zod-openapi";
import type { cleanQueue as route } from "@toril/contract/http/queues";
import { limits } from "@toril/contract/job";
import { fieldErrors } from "@toril/contract/problem";
import { QueueCleaning } from "@toril/contract/queue";
import { z } from "zod";
import type { AppEnv } from "../app-env.ts";
import type { Bodiless } from "../bodiless.ts";
import { readJson } from "../body.ts";
import type { CleanQueue } from "../clean-queue.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { ProblemError } from "../problem.ts";
import { requireQueue } from "../queue-reach.ts";

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
