import type { Api } from "@toril/contract/api/http/index";
import { limits } from "@toril/contract/api/limits";
import { ScheduleName } from "@toril/contract/api/schedule";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { BulkRequest } from "@toril/contract/engine/jobs/insert/insert-bulk";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { checkDefinition, checkPreviewed } from "@toril/contract/engine/schedules/check-definition";
import { previewFireTimes } from "@toril/contract/engine/schedules/fire-times";
import { toSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import { openTemplate } from "@toril/contract/engine/schedules/template";
import { explainRun } from "@toril/contract/engine/webhooks/callbacks";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { readJson } from "../http/body.ts";
import { findJobType, getOrigin, requirePermitted } from "../http/caller.ts";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import { isNotModified, requirePreconditions } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import { redactSchedule } from "../jobs/shown-data.ts";
import { type FindCallbacks, findReceivers } from "../webhooks/find-callbacks.ts";
import { createScheduleStore, ScheduleChanged, type ScheduleStoreDeps } from "./schedule-store.ts";
import {
  requireVisibleSchedule,
  setSchedulePaused,
  toScheduleResponse,
  visibleTypes,
} from "./visible-schedule.ts";

export interface ScheduleRoutesDeps extends Omit<ScheduleStoreDeps, "keys"> {
  api: Api;
  enqueue: Enqueue;
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
}

export function scheduleRoutes(deps: ScheduleRoutesDeps): HandledRoute[] {
  const { api, enqueue, secretKeys, findCallbacks, reads } = deps;
  const schedules = createScheduleStore({ ...deps, keys: secretKeys });

  return [
    handle(api.putSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const { tenant, quotaKey } = getOrigin(c.env);
      const value = await readJson(c.env, limits.bodyBytes, c.env.quota);
      await loadType(c.env, value);
      const { jobTypes } = c.env;
      const { callbackUrl } = getFields(getFields(value).job);
      const callbacks = callbackUrl === undefined ? undefined : await findCallbacks(c.env);
      const checked = checkDefinition(jobTypes, value, { tenant, callbacks }, secretKeys);
      if (checked.status === "refused") {
        throw new ProblemError(checked.kind, checked.detail, checked.errors);
      }
      const { definition } = checked;
      const { type } = definition.job;
      requirePermitted(c.env, { type, queue: jobTypes.getQueue(type) });
      const { status, row } = await schedules.put(
        tenant,
        name,
        { definition, quotaKey },
        (existing) => {
          if (existing !== undefined) requireVisibleSchedule(c.env, existing);
          requirePreconditions(c.env.request, existing?.version);
        },
        (tx) => c.env.trail.done(tx),
      );
      const { schedule, headers } = toScheduleResponse(c.env, row);
      return status === "created"
        ? c.json(schedule, 201, { ...headers, Location: `/v1/schedules/${name}` })
        : c.json(schedule, 200, headers);
    }),

    handle(api.listSchedules, async (c) => {
      const { cursor, limit } = c.req.valid("query");
      const after = cursor === undefined ? undefined : decodeCursor(cursor, ScheduleName);
      const { tenant } = c.env.principal;
      const types = visibleTypes(c.env);
      const { rows, isLast } = await schedules.list({ tenant, after, types, limit });
      const last = isLast ? undefined : rows.at(-1);
      const next = last ? encodeCursor(last.name) : null;
      return c.json({ items: rows.map((row) => toSchedule(c.env.jobTypes, row)), next }, 200);
    }),

    handle(api.getSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const row = requireVisibleSchedule(c.env, await schedules.find(c.env.principal.tenant, name));
      const { schedule, headers } = toScheduleResponse(c.env, row);
      if (isNotModified(c.env.request, headers.ETag)) return c.body(null, 304, headers);
      return c.json(schedule, 200, headers);
    }),

    handle(api.deleteSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const row = await schedules.delete(
        c.env.principal.tenant,
        name,
        (existing) =>
          requirePreconditions(c.env.request, requireVisibleSchedule(c.env, existing).version),
        (tx) => c.env.trail.done(tx),
      );
      return c.json(
        redactSchedule(c.env, toSchedule(c.env.jobTypes, requireVisibleSchedule(c.env, row))),
        200,
      );
    }),

    handle(api.pauseSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const { schedule, headers } = await setSchedulePaused(c.env, schedules, name, true);
      return c.json(schedule, 200, headers);
    }),

    handle(api.resumeSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const { schedule, headers } = await setSchedulePaused(c.env, schedules, name, false);
      return c.json(schedule, 200, headers);
    }),

    handle(api.runSchedule, async (c) => {
      const { quota } = c.env;
      if (quota !== undefined) await quota.takeJobs(1);
      const { name } = c.req.valid("param");
      const caller = getOrigin(c.env);
      const { tenant } = caller;
      const outcome = await ofLatestVersion(async () => {
        const row = requireVisibleSchedule(c.env, await schedules.find(tenant, name));
        const { jobTypes } = c.env;
        requirePreconditions(c.env.request, row.version);
        const opened = openTemplate(jobTypes, row.definition.job, row.id, secretKeys);
        if (opened.status === "invalid") throw new ProblemError("invalid-schedule", opened.detail);
        const isReported = opened.job.callbackUrl !== undefined;
        const receivers = isReported ? await findReceivers(reads, tenant) : [];
        const origin = { ...caller, schedule: name, callbacks: { receivers, isOptional: true } };
        const made = createNewJob(jobTypes, opened.job, origin, secretKeys);
        if (made.status === "refused") {
          const kind = made.kind === "unstorable-secret" ? made.kind : "invalid-schedule";
          throw new ProblemError(kind, made.detail, made.errors);
        }
        const recordRun = schedules.recordRun(row, explainRun(opened.job, made.job));
        const alongside: BulkRequest["alongside"] = async (tx, accepted) => {
          await recordRun(tx, accepted);
          for (const entry of accepted) {
            // Whether Redis accepts the job is not known yet.
            const status = entry.isNew ? 202 : 200;
            await c.env.storeEarlyResponse?.(tx, {
              status,
              headers: toJobHeaders(entry.job),
              body: entry.job,
            });
          }
          await c.env.trail.done(tx);
        };
        const record = () => enqueue.many({ jobs: [made.job], alongside });
        return quota === undefined ? record() : quota.withReserved(1, record);
      });
      if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
      const [accepted] = outcome.status === "accepted" ? outcome.jobs : [];
      if (outcome.status !== "accepted" || accepted === undefined) {
        throw new ProblemError(
          "at-capacity",
          "Another request is enqueuing a job with the same key. Try again.",
        );
      }
      const { job } = accepted;
      c.env.jobId = job.id;
      const status = accepted.isNew ? (outcome.isDispatched ? 201 : 202) : 200;
      return c.json(job, status, toJobHeaders(job));
    }),

    handle(api.previewSchedule, async (c) => {
      const { name } = c.req.valid("param");
      const { count, after = Date.now() } = c.req.valid("query");
      const row = requireVisibleSchedule(c.env, await schedules.find(c.env.principal.tenant, name));
      return c.json(previewFireTimes(row.definition, new Date(after), count), 200);
    }),

    handle(api.previewDefinition, async (c) => {
      const { count, after = Date.now() } = c.req.valid("query");
      const value = await readJson(c.env, limits.bodyBytes);
      await loadType(c.env, value);
      const checked = checkPreviewed(c.env.jobTypes, value, c.env.principal.tenant, secretKeys);
      if (checked.status === "refused") {
        throw new ProblemError(checked.kind, checked.detail, checked.errors);
      }
      return c.json(previewFireTimes(checked.timing, new Date(after), count), 200);
    }),
  ];
}

/** Makes the type of a definition known, which may have been registered at another producer a moment ago. */
async function loadType(context: RequestContext, definition: unknown): Promise<void> {
  const { job } = getFields(definition);
  const { type } = getFields(job);
  if (typeof type === "string") await findJobType(context, type);
}

function getFields(value: unknown): { job?: unknown; type?: unknown; callbackUrl?: unknown } {
  return typeof value === "object" && value !== null ? value : {};
}

function toJobHeaders({ id }: { id: string }) {
  return { Location: `/v1/jobs/${id}` };
}

const maxTries = 3;

/**
 * Retries when the schedule was changed concurrently, so that the job has the version that its run is recorded with.
 */
async function ofLatestVersion<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ScheduleChanged)) throw error;
      if (tries === maxTries) {
        throw new ProblemError("at-capacity", "The schedule is being changed. Try again.");
      }
    }
  }
}
