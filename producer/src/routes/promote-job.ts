import type { RouteHandler } from "@hono/zod-openapi";
import type { promoteJob as route } from "@toril/contract/http/jobs";
import type { AppEnv } from "../app-env.ts";
import { versionCheckOf } from "../etag.ts";
import type { JobChanges } from "../job-changes.ts";
import { keepingJob } from "../keep-response.ts";
import type { LiveJobs } from "../live-jobs.ts";
import { ProblemError } from "../problem.ts";
import type { JobReader } from "../read-jobs.ts";
import { requireJob } from "../require-job.ts";
import { changedJob } from "../shown-data.ts";

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
