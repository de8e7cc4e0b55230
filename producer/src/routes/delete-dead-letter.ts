import type { RouteHandler } from "@hono/zod-openapi";
import type { deleteDeadLetter as route } from "@toril/contract/api/http/dead-letters";
import type { AppEnv } from "../http/app-env.ts";
import { type DeadLetters, toDeadLetter } from "../dead-letters/dead-letters.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import { ProblemError } from "../http/problem.ts";
import { requireDeadLetter } from "../dead-letters/require-dead-letter.ts";
import { changedDeadLetter } from "../jobs/shown-data.ts";

export function deleteDeadLetter(
  letters: DeadLetters,
  changes: JobChanges,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const row = await requireDeadLetter(letters, c.env, id);
    if (!(await changes.deleteDead(c.env.principal.tenant, id)))
      throw new ProblemError("dead-letter-not-found");
    return c.json(changedDeadLetter(c.env, toDeadLetter(row)), 200);
  };
}
