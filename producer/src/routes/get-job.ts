import type { RouteHandler } from "@hono/zod-openapi";
import type { getJob as route } from "@toril/contract/http/jobs";
import type { AppEnv } from "../app-env.ts";
import { callerOf, requireReach } from "../caller.ts";
import { etagOf, matches } from "../etag.ts";
import type { LiveJobs } from "../live-jobs.ts";
import { ProblemError } from "../problem.ts";
import type { JobReader } from "../read-jobs.ts";
import type { WaitForEnd } from "../events/wait-for-end.ts";

export function getJob(
  jobs: JobReader,
  live: LiveJobs,
  waitForEnd: WaitForEnd,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const { tenant } = callerOf(c.env);
    let row = await jobs.find(tenant, id);
    if (row === undefined) throw new ProblemError(await jobs.whyMissing(tenant, id));
    requireReach(c.env, row);
    const waited = await waitForEnd(c.env, row);
    if (waited?.isGone === false && row.status === "pending") row = await jobs.find(tenant, id);
    if (row === undefined) throw new ProblemError(await jobs.whyMissing(tenant, id));
    const job = await live.detail(row);
    const headers = { ...waited?.headers, ETag: etagOf(row, job) };
    if (matches(c.req.header("if-none-match"), headers.ETag)) return c.body(null, 304, headers);
    return c.json(job, 200, headers);
  };
}
