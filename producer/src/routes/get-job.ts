import type { RouteHandler } from "@hono/zod-openapi";
import { toVersion } from "@toril/contract/engine/jobs/change/version";
import type { getJob as route } from "@toril/contract/api/http/jobs";
import type { AppEnv } from "../http/app-env.ts";
import { etagOf, isNotModified } from "../http/etag.ts";
import type { WaitForEnd } from "../events/wait-for-end.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";

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
    const etag = etagOf(toVersion(row), { ...job, estimatedStartAt: null });
    const headers = { ...waited?.headers, ETag: etag };
    if (isNotModified(c.env.request, etag)) return c.body(null, 304, headers);
    return c.json(job, 200, headers);
  };
}
