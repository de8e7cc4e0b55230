import type { RouteHandler } from "@hono/zod-openapi";
import type { followJobs as route } from "@toril/contract/api/http/events";
import type { AppEnv } from "../http/app-env.ts";
import type { FollowJobs } from "../events/follow-jobs.ts";

export function followJobs(
  follow: FollowJobs,
  queues: readonly string[],
): RouteHandler<typeof route, AppEnv> {
  return (c) => follow(c.env, queues, c.req.valid("header")["last-event-id"]);
}
