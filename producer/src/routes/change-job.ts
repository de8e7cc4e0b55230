import type { RouteHandler } from "@hono/zod-openapi";
import { toVersion } from "@toril/contract/engine/jobs/change/version";
import type { changeJob as route } from "@toril/contract/api/http/jobs";
import { JobChanges as Changes, limits } from "@toril/contract/api/job";
import type { FieldError } from "@toril/contract/api/json";
import { fieldErrors, type ProblemKind } from "@toril/contract/api/problem";
import type { AppEnv } from "../http/app-env.ts";
import type { Bodiless } from "../http/bodiless.ts";
import { readJson } from "../http/body.ts";
import { etagOf, versionCheckOf } from "../http/etag.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import { ProblemError } from "../http/problem.ts";
import type { JobReader, JobRow } from "../jobs/read-jobs.ts";
import { requireJob } from "../jobs/require-job.ts";
import { changedJobDetail } from "../jobs/shown-data.ts";

/** The handler reads its body itself, with the same checks as for a new job. */
export function changeJob(
  jobs: JobReader,
  live: LiveJobs,
  changes: JobChanges,
): RouteHandler<Bodiless<typeof route>, AppEnv> {
  return async (c) => {
    const { id } = c.req.valid("param");
    const parsed = Changes.safeParse(await readJson(c.env, limits.bodyBytes));
    if (!parsed.success) throw refused(fieldErrors(parsed.error.issues));
    const check =
      c.req.header("if-match") === undefined ? undefined : versionCheckOf(c.env.request);
    if (check === undefined) throw new ProblemError("precondition-required", "Send If-Match.");
    const change = { runAt: runAtOf(parsed.data), priority: parsed.data.priority };
    const before = await requireJob(jobs, c.env, id);
    if (before.status === "pending") checkTime(change.runAt, before);
    const outcome = await changes.change(c.env.principal.tenant, id, change, check);
    if (outcome.status !== "changed") throw problemOf(outcome);
    const row = await requireJob(jobs, c.env, id);
    const job = await live.detail(row);
    return c.json(changedJobDetail(c.env, job), 200, {
      ETag: etagOf(toVersion(row), { ...job, estimatedStartAt: null }),
    });
  };
}

function runAtOf({ delayMs, runAt }: Changes): Date | null | undefined {
  if (runAt !== undefined) return new Date(runAt);
  if (delayMs === undefined) return undefined;
  return delayMs === 0 ? null : new Date(Date.now() + delayMs);
}

function checkTime(runAt: Date | null | undefined, { expiresAt }: JobRow) {
  if (!runAt) return;
  const detail =
    runAt.getTime() > Date.now() + limits.delayMs
      ? "At most 365 days ahead."
      : "It would expire before it may run.";
  const latest = Math.min(Date.now() + limits.delayMs, (expiresAt?.getTime() ?? Infinity) - 1);
  if (runAt.getTime() > latest) throw refused([{ pointer: "/runAt", detail }]);
}

function refused(errors: FieldError[]) {
  return new ProblemError("invalid-job", undefined, errors);
}

type Unchanged = Exclude<Awaited<ReturnType<JobChanges["change"]>>, { status: "changed" }>;

function problemOf(outcome: Unchanged): ProblemError {
  if (outcome.status === "ended") return new ProblemError("job-ended", `It is ${outcome.as}.`);
  const [kind, detail] = problems[outcome.status];
  return new ProblemError(kind, detail);
}

const problems = {
  missing: ["job-not-found", undefined],
  active: ["job-active", undefined],
  unfound: ["at-capacity", "Too many jobs wait to find it among them."],
  away: ["at-capacity", "Redis is away."],
} as const satisfies Record<
  Exclude<Unchanged["status"], "ended">,
  readonly [ProblemKind, ...unknown[]]
>;
