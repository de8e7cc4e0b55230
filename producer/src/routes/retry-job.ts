import type { RouteHandler } from "@hono/zod-openapi";
import { toVersion } from "@toril/contract/engine/jobs/change/version";
import type { retryJob as route } from "@toril/contract/api/http/jobs";
import { finalStatuses } from "@toril/contract/api/job";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { versionCheckOf } from "../http/etag.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import { keepingJob } from "../idempotency/keep-response.ts";
import { type LiveJobs, unplacedJob } from "../jobs/live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import { charging } from "../quotas/quota-reservation.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";
import { changedJob } from "../jobs/shown-data.ts";

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
    check?.(toVersion(before));
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
