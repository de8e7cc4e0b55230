import type { RouteHandler } from "@hono/zod-openapi";
import type { changeQueue as route } from "@toril/contract/http/queues";
import { limits } from "@toril/contract/job";
import { fieldErrors } from "@toril/contract/problem";
import { QueueChange } from "@toril/contract/queue";
import type { AppEnv } from "../app-env.ts";
import type { Bodiless } from "../bodiless.ts";
import { readJson } from "../body.ts";
import { ProblemError } from "../problem.ts";
import type { QueueControl } from "../queue-control.ts";
import { requireQueue } from "../queue-reach.ts";

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
