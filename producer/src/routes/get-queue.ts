import type { RouteHandler } from "@hono/zod-openapi";
import type { getQueue as route } from "@toril/contract/api/http/queues";
import type { AppEnv } from "../http/app-env.ts";
import { ProblemError } from "../http/problem.ts";
import { requireQueue } from "../queues/visible-queues.ts";
import type { QueueReader } from "../queues/queue-reader.ts";

export function getQueue(queues: QueueReader): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { queue } = c.req.valid("param");
    requireQueue(c.env, queue);
    const [found] = await queues.describe([queue]);
    if (found === undefined) throw new ProblemError("queue-not-found");
    return c.json(found, 200);
  };
}
