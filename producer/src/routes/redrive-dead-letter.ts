import type { RouteHandler } from "@hono/zod-openapi";
import type { redriveDeadLetter as route } from "@toril/contract/http/dead-letters";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import type { DeadLetters } from "../dead-letters.ts";
import type { JobChanges } from "../job-changes.ts";
import { keepingJob } from "../keep-response.ts";
import { type LiveJobs, unplacedJob } from "../live-jobs.ts";
import { ProblemError } from "../problem.ts";
import { charging } from "../charge.ts";
import type { JobReader } from "../read-jobs.ts";
import { requireDeadLetter } from "../require-dead-letter.ts";
import { requireJob } from "../require-job.ts";
import { changedJob } from "../shown-data.ts";

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
