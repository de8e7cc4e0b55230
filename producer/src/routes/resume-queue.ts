import type { RouteHandler } from "@hono/zod-openapi";
import type { resumeQueue as route } from "@toril/contract/api/http/queues";
import type { AppEnv } from "../http/app-env.ts";
import type { QueueControl } from "../queues/queue-control.ts";
import { requireQueue } from "../queues/visible-queues.ts";

export function resumeQueue(control: QueueControl): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { queue } = c.req.valid("param");
    requireQueue(c.env, queue);
    const { trail, keepResponse } = c.env;
    const change = { paused: false };
    const { settings, isInForce } = await control.change(
      c.env.principal.tenant,
      queue,
      change,
      trail,
      keepResponse,
    );
    return c.json(settings, isInForce ? 200 : 202);
  };
}
