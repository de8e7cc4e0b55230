import type { RouteHandler } from "@hono/zod-openapi";
import type { followQueue as route } from "@toril/contract/api/http/events";
import type { AppEnv } from "../http/app-env.ts";
import type { FollowJobs } from "../events/follow-jobs.ts";
import { ProblemError } from "../http/problem.ts";

export function followQueue(follow: FollowJobs): RouteHandler<typeof route, AppEnv> {
  return (c) => {
    const { queue } = c.req.valid("param");
    const { queues } = c.env.principal;
    if (queues?.has(queue) === false) {
      throw new ProblemError("forbidden-resource", `Not for the queue ${queue}.`);
    }
    return follow(c.env, [queue], c.req.valid("header")["last-event-id"]);
  };
}
