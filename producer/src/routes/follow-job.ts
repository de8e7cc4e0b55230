import type { RouteHandler } from "@hono/zod-openapi";
import type { followJob as route } from "@toril/contract/http/events";
import type { AppEnv } from "../app-env.ts";
import { callerOf, requireReach } from "../caller.ts";
import type { FollowJob } from "../events/follow-job.ts";
import { ProblemError } from "../problem.ts";
import type { JobReader } from "../read-jobs.ts";

export function followJob(jobs: JobReader, follow: FollowJob): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const job = await jobs.find(callerOf(c.env).tenant, id);
    if (job === undefined) throw new ProblemError("job-not-found");
    requireReach(c.env, job);
    return follow(c.env, job, c.req.valid("header")["last-event-id"]);
  };
}
