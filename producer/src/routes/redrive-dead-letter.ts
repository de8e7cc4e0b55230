import type { RouteHandler } from "@hono/zod-openapi";
import type { redriveDeadLetter as route } from "@toril/contract/http/dead-letters";
import type { AppEnv } from "../app-env.ts";
import { callerOf } from "../caller.ts";
import type { DeadLetters } from "../dead-letters.ts";
import type { JobChanges } from "../job-changes.ts";
import type { LiveJobs } from "../live-jobs.ts";
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
    const { quotaKey } = callerOf(c.env);
    const retried = await charging(c.env.charge, 1, () =>
      changes.retry([id], { statuses: ["dead"], quotaKey }),
    );
    if (!retried.has(id)) {
      await requireDeadLetter(letters, c.env, id);
      throw new ProblemError("key-taken");
    }
    const row = await requireJob(jobs, c.env, id);
    return c.json(changedJob(c.env, await live.describeOne(row)), 202, {
      Location: `/v1/jobs/${id}`,
    });
  };
}
