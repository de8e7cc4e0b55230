import type { RouteHandler } from "@hono/zod-openapi";
import type { listQueues as route } from "@toril/contract/api/http/queues";
import type { AppEnv } from "../http/app-env.ts";
import { visibleQueues } from "../queues/visible-queues.ts";
import type { QueueReader } from "../queues/queue-reader.ts";

export function listQueues(queues: QueueReader): RouteHandler<typeof route, AppEnv> {
  return async (c) => c.json({ items: await queues.describe(visibleQueues(c.env)) }, 200);
}
