import type { RouteHandler } from "@hono/zod-openapi";
import type { redriveDeadLetter as route } from "@toril/contract/api/http/dead-letters";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import { keepingJob } from "../idempotency/keep-response.ts";
import { type LiveJobs, unplacedJob } from "../jobs/live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import { charging } from "../quotas/quota-reservation.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import { requireDeadLetter } from "../dead-letters/require-dead-letter.ts";
import { requireJob } from "../jobs/require-job.ts";
import { changedJob } from "../jobs/shown-data.ts";

export function redriveDeadLetter(
  letters: DeadLetters,
  jobs: JobReader,
  live: LiveJobs,
  changes: JobChanges,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    await requireDeadLetter(letters, c.env, id);
    const { tenant, quotaKey } = callerOf(c.env);
    const headers = { Location: `/v1/jobs/${id}` };
    const alongside = keepingJob(c.env, id, unplacedJob, { status: 202, headers });
    const retried = await charging(c.env.charge, 1, () =>
      changes.retry(tenant, [id], { statuses: ["dead"], quotaKey }, { alongside }),
    );
    if (!retried.has(id)) {
      await requireDeadLetter(letters, c.env, id);
      throw new ProblemError("key-taken");
    }
    const row = await requireJob(jobs, c.env, id);
    return c.json(changedJob(c.env, await live.describeOne(row)), 202, headers);
  };
}
