import type { RouteHandler } from "@hono/zod-openapi";
import type { followJob as route } from "@toril/contract/api/http/events";
import type { AppEnv } from "../http/app-env.ts";
import type { FollowJob } from "../events/follow-job.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";

export function followJob(jobs: JobReader, follow: FollowJob): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const job = await requireJob(jobs, c.env, id);
    return follow(c.env, job, c.req.valid("header")["last-event-id"]);
  };
}
