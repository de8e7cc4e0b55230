import type { RouteHandler } from "@hono/zod-openapi";
import type { promoteJob as route } from "@toril/contract/api/http/jobs";
import type { AppEnv } from "../http/app-env.ts";
import { versionCheckOf } from "../http/etag.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import { keepingJob } from "../idempotency/keep-response.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";
import { changedJob } from "../jobs/shown-data.ts";

export function promoteJob(
  jobs: JobReader,
  live: LiveJobs,
  changes: JobChanges,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    await requireJob(jobs, c.env, id);
    const outcome = await changes.promote(c.env.principal.tenant, id, {
      check: versionCheckOf(c.env.request),
      alongside: keepingJob(c.env, id, (row) => live.describeOne(row), { status: 200 }),
    });
    const row = await requireJob(jobs, c.env, id);
    if (outcome === "away") throw new ProblemError("at-capacity", "Redis is away.");
    if (outcome === undefined) throw new ProblemError("job-ended", `It is ${row.status}.`);
    if (outcome === "active") throw new ProblemError("job-active");
    if (outcome === "not-delayed") throw new ProblemError("job-not-delayed");
    return c.json(changedJob(c.env, await live.describeOne(row)), 200);
  };
}
