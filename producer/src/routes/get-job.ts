import type { RouteHandler } from "@hono/zod-openapi";
import type { getJob as route } from "@toril/contract/http/jobs";
import type { AppEnv } from "../app-env.ts";
import { etagOf, matches } from "../etag.ts";
import type { WaitForEnd } from "../events/wait-for-end.ts";
import type { LiveJobs } from "../live-jobs.ts";
import type { JobReader } from "../read-jobs.ts";
import { requireJob } from "../require-job.ts";

export function getJob(
  jobs: JobReader,
  live: LiveJobs,
  waitForEnd: WaitForEnd,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    let row = await requireJob(jobs, c.env, id);
    const waited = await waitForEnd(c.env, row);
    if (waited?.isGone === false && row.status === "pending") {
      row = await requireJob(jobs, c.env, id);
    }
    const job = await live.detail(row);
    const headers = { ...waited?.headers, ETag: etagOf(row, { ...job, estimatedStartAt: null }) };
    if (matches(c.req.header("if-none-match"), headers.ETag)) return c.body(null, 304, headers);
    return c.json(job, 200, headers);
  };
}
