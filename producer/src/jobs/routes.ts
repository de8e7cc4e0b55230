import type { Api } from "@toril/contract/api/http/index";
import { finalStatuses } from "@toril/contract/api/jobs/job-states";
import { JobChanges as Changes } from "@toril/contract/api/jobs/job-options";
import { limits } from "@toril/contract/api/limits";
import type { FieldError } from "@toril/contract/api/json/json";
import { fieldErrors, type ProblemKind } from "@toril/contract/api/problem";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { toVersion } from "@toril/contract/engine/jobs/change/version";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { WaitForEnd } from "../events/wait-for-end.ts";
import type { Admission } from "../http/admission.ts";
import { readJson } from "../http/body.ts";
import { getOrigin } from "../http/caller.ts";
import { toEtag, isNotModified, getVersionCheck } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { withQuota } from "../quotas/quota-reservation.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import { createBulkHandler } from "./create-jobs.ts";
import type { JobChanges } from "./job-changes.ts";
import { listJobs, type ListState } from "./list-jobs.ts";
import type { LiveJobs } from "./live-jobs.ts";
import { type JobReader, type JobRow, requireJob } from "./read-jobs.ts";
import type { JobSearch } from "./search-jobs.ts";
import { redactJob, redactJobDetail, storeEarlyJobResponse } from "./shown-data.ts";

export interface JobRoutesDeps {
  api: Api;
  createJob(context: RequestContext): Promise<Response>;
  enqueue: Enqueue;
  maxBulkEntries: number;
  bulkAdmission: Admission;
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
  jobReader: JobReader;
  jobSearch: JobSearch;
  listState: ListState;
  liveJobs: LiveJobs;
  jobChanges: JobChanges;
  waitForEnd: WaitForEnd;
}

export function jobRoutes(deps: JobRoutesDeps): HandledRoute[] {
  const { api, jobReader, liveJobs, jobChanges } = deps;

  return [
    // The handler validates query and headers itself, because Bun calls it without the framework.
    { route: { ...api.createJob, request: {} }, handler: (c) => deps.createJob(c.env) },

    handle(
      api.createJobs,
      createBulkHandler(deps.enqueue, {
        maxEntries: deps.maxBulkEntries,
        secretKeys: deps.secretKeys,
        admission: deps.bulkAdmission,
        findCallbacks: deps.findCallbacks,
      }),
    ),

    handle(api.listJobs, listJobs(api.listJobs, deps)),

    handle(api.getJob, async (c) => {
      const { id } = c.req.valid("param");
      let row = await requireJob(jobReader, c.env, id);
      const waited = await deps.waitForEnd(c.env, row);
      if (waited?.isGone === false && row.status === "pending") {
        row = await requireJob(jobReader, c.env, id);
      }
      const job = await liveJobs.toJobDetail(row);
      const etag = toEtag(toVersion(row), { ...job, estimatedStartAt: null });
      const headers = { ...waited?.headers, ETag: etag };
      if (isNotModified(c.env.request, etag)) return c.body(null, 304, headers);
      return c.json(job, 200, headers);
    }),

    handle(api.cancelJob, async (c) => {
      const { id } = c.req.valid("param");
      const check = getVersionCheck(c.env.request);
      let row = await requireJob(jobReader, c.env, id);
      if (row.status === "pending") {
        await jobChanges.cancel(c.env.principal.tenant, id, check);
        row = await requireJob(jobReader, c.env, id);
      } else check?.(toVersion(row));
      if (row.status !== "cancelled")
        throw new ProblemError("job-ended", `The job is ${row.status}.`);
      return c.json(redactJob(c.env, await liveJobs.toJob(row)), 200);
    }),

    handle(api.changeJob, async (c) => {
      const { id } = c.req.valid("param");
      const parsed = Changes.safeParse(await readJson(c.env, limits.bodyBytes));
      if (!parsed.success) throw refused(fieldErrors(parsed.error.issues));
      const check =
        c.req.header("if-match") === undefined ? undefined : getVersionCheck(c.env.request);
      if (check === undefined) throw new ProblemError("precondition-required", "Send If-Match.");
      const change = { runAt: toRunAt(parsed.data), priority: parsed.data.priority };
      const before = await requireJob(jobReader, c.env, id);
      if (before.status === "pending") checkTime(change.runAt, before);
      const outcome = await jobChanges.change(c.env.principal.tenant, id, change, check);
      if (outcome.status !== "changed") throw toUnchangedProblem(outcome);
      const row = await requireJob(jobReader, c.env, id);
      const job = await liveJobs.toJobDetail(row);
      return c.json(redactJobDetail(c.env, job), 200, {
        ETag: toEtag(toVersion(row), { ...job, estimatedStartAt: null }),
      });
    }),

    handle(api.promoteJob, async (c) => {
      const { id } = c.req.valid("param");
      await requireJob(jobReader, c.env, id);
      const outcome = await jobChanges.promote(c.env.principal.tenant, id, {
        check: getVersionCheck(c.env.request),
        alongside: storeEarlyJobResponse(c.env, id, (row) => liveJobs.toJob(row), { status: 200 }),
      });
      const row = await requireJob(jobReader, c.env, id);
      if (outcome === "unavailable") throw new ProblemError("at-capacity", "Redis is unavailable.");
      if (outcome === undefined) throw new ProblemError("job-ended", `The job is ${row.status}.`);
      if (outcome === "active") throw new ProblemError("job-active");
      if (outcome === "not-delayed") throw new ProblemError("job-not-delayed");
      return c.json(redactJob(c.env, await liveJobs.toJob(row)), 200);
    }),

    handle(api.retryJob, async (c) => {
      const { id } = c.req.valid("param");
      const { tenant, quotaKey } = getOrigin(c.env);
      const before = await requireJob(jobReader, c.env, id);
      const check = getVersionCheck(c.env.request);
      check?.(toVersion(before));
      if (before.status === "pending") throw new ProblemError("job-pending");
      const headers = { Location: `/v1/jobs/${id}` };
      const alongside = storeEarlyJobResponse(c.env, id, liveJobs.toUndispatchedJob, {
        status: 202,
        headers,
      });
      const retried = await withQuota(c.env.quota, 1, () =>
        jobChanges.retry(tenant, [id], { statuses: finalStatuses, quotaKey }, { check, alongside }),
      );
      const row = await requireJob(jobReader, c.env, id);
      if (!retried.has(id)) {
        throw new ProblemError(row.status === "pending" ? "job-pending" : "key-taken");
      }
      return c.json(redactJob(c.env, await liveJobs.toJob(row)), 202, headers);
    }),
  ];
}

function toRunAt({ delayMs, runAt }: Changes): Date | null | undefined {
  if (runAt !== undefined) return new Date(runAt);
  if (delayMs === undefined) return undefined;
  return delayMs === 0 ? null : new Date(Date.now() + delayMs);
}

function checkTime(runAt: Date | null | undefined, { expiresAt }: JobRow) {
  if (!runAt) return;
  const detail =
    runAt.getTime() > Date.now() + limits.delayMs
      ? "At most 365 days ahead."
      : "The job would expire before its start time.";
  const latest = Math.min(Date.now() + limits.delayMs, (expiresAt?.getTime() ?? Infinity) - 1);
  if (runAt.getTime() > latest) throw refused([{ pointer: "/runAt", detail }]);
}

function refused(errors: FieldError[]) {
  return new ProblemError("invalid-job", undefined, errors);
}

type Unchanged = Exclude<Awaited<ReturnType<JobChanges["change"]>>, { status: "changed" }>;

function toUnchangedProblem(outcome: Unchanged): ProblemError {
  if (outcome.status === "ended") return new ProblemError("job-ended", `The job is ${outcome.as}.`);
  const [kind, detail] = problems[outcome.status];
  return new ProblemError(kind, detail);
}

const problems = {
  missing: ["job-not-found", undefined],
  active: ["job-active", undefined],
  "not-found": ["at-capacity", "The queue is too long to search for the job; retry later."],
  unavailable: ["at-capacity", "Redis is unavailable."],
} as const satisfies Record<
  Exclude<Unchanged["status"], "ended">,
  readonly [ProblemKind, ...unknown[]]
>;
