import type { RouteHandler } from "@hono/zod-openapi";
import type { changeQueue as route } from "@toril/contract/api/http/queues";
import { limits } from "@toril/contract/api/job";
import { fieldErrors } from "@toril/contract/api/problem";
import { QueueChange } from "@toril/contract/api/queue";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { readJson } from "../http/body.ts";
import { ProblemError } from "../http/problem.ts";
import type { QueueControl } from "../queues/queue-control.ts";
import { requireQueue } from "../queues/visible-queues.ts";

export function changeQueue(control: QueueControl): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const { queue } = c.req.valid("param");
    requireQueue(c.env, queue);
    const parsed = QueueChange.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) {
      throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
    }
    const { settings, isInForce } = await control.change(
      c.env.principal.tenant,
      queue,
      parsed.data,
      c.env.trail,
    );
    return c.json(settings, isInForce ? 200 : 202);
  };
}
