import type { RouteHandler } from "@hono/zod-openapi";
import type { listQueues as route } from "@toril/contract/http/queues";
import type { AppEnv } from "../app-env.ts";
import { reachedQueues } from "../queue-reach.ts";
import type { QueueReader } from "../queue-reader.ts";

export function listQueues(queues: QueueReader): RouteHandler<typeof route, AppEnv> {
  return async (c) => c.json({ items: await queues.describe(reachedQueues(c.env)) }, 200);
}
