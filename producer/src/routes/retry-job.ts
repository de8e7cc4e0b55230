import type { RouteHandler } from "@hono/zod-openapi";
import { versionOf } from "@toril/contract/change/version";
import type { retryJob as route } from "@toril/contract/http/jobs";
import { finalStatuses } from "@toril/contract/job";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import { versionCheckOf } from "../etag.ts";
import type { JobChanges } from "../job-changes.ts";
import { keepingJob } from "../keep-response.ts";
import { type LiveJobs, unplacedJob } from "../live-jobs.ts";
import { ProblemError } from "../problem.ts";
import { charging } from "../charge.ts";
import type { JobReader } from "../read-jobs.ts";
import { requireJob } from "../require-job.ts";
import { changedJob } from "../shown-data.ts";

export function retryJob(
  jobs: JobReader,
  live: LiveJobs,
  changes: JobChanges,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const { tenant, quotaKey } = callerOf(c.env);
    const before = await requireJob(jobs, c.env, id);
    const check = versionCheckOf(c.env.request);
    check?.(versionOf(before));
    if (before.status === "pending") throw new ProblemError("job-pending");
    const headers = { Location: `/v1/jobs/${id}` };
    const alongside = keepingJob(c.env, id, unplacedJob, { status: 202, headers });
    const retried = await charging(c.env.charge, 1, () =>
      changes.retry(tenant, [id], { statuses: finalStatuses, quotaKey }, { check, alongside }),
    );
    const row = await requireJob(jobs, c.env, id);
    if (!retried.has(id)) {
      throw new ProblemError(row.status === "pending" ? "job-pending" : "key-taken");
    }
    return c.json(changedJob(c.env, await live.describeOne(row)), 202, headers);
  };
}
