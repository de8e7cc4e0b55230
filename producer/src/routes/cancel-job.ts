import type { RouteHandler } from "@hono/zod-openapi";
import { toVersion } from "@toril/contract/engine/jobs/change/version";
import type { cancelJob as route } from "@toril/contract/api/http/jobs";
import type { AppEnv } from "../http/app-env.ts";
import { versionCheckOf } from "../http/etag.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";
import { changedJob } from "../jobs/shown-data.ts";

export function cancelJob(
  jobs: JobReader,
  live: LiveJobs,
  changes: JobChanges,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const check = versionCheckOf(c.env.request);
    let row = await requireJob(jobs, c.env, id);
    if (row.status === "pending") {
      await changes.cancel(c.env.principal.tenant, id, check);
      row = await requireJob(jobs, c.env, id);
    } else check?.(toVersion(row));
    if (row.status !== "cancelled") throw new ProblemError("job-ended", `It is ${row.status}.`);
    return c.json(changedJob(c.env, await live.describeOne(row)), 200);
  };
}
