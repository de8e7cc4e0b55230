import type { RouteHandler } from "@hono/zod-openapi";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { BulkRequest } from "@toril/contract/engine/jobs/enqueue/insert-bulk";
import type { runSchedule as route } from "@toril/contract/api/http/schedules";
import { openTemplate } from "@toril/contract/engine/schedules/template";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { AppEnv } from "../http/app-env.ts";
import { callerOf } from "../http/caller.ts";
import { requirePreconditions } from "../http/etag.ts";
import { ProblemError } from "../http/problem.ts";
import { requireVisibleSchedule } from "../schedules/visible-schedule.ts";
import { ScheduleChanged, type ScheduleStore } from "../schedules/schedule-store.ts";

export function runSchedule(
  schedules: ScheduleStore,
  enqueue: Enqueue,
  secretKeys: KeyRing | undefined,
): RouteHandler<typeof route, AppEnv> {
  return async (c) => {
    const { charge } = c.env;
    if (charge !== undefined) await charge.take(1);
    const { name } = c.req.valid("param");
    const caller = callerOf(c.env);
    const { tenant } = caller;
    const outcome = await ofLatestVersion(async () => {
      const found = requireVisibleSchedule(c.env, await schedules.find(tenant, name));
      requirePreconditions(c.env.request, found.version);
      const opened = openTemplate(found.definition.job, found.id, secretKeys);
      if (opened.status === "invalid") throw new ProblemError("invalid-schedule", opened.detail);
      const made = createNewJob(opened.job, { ...caller, schedule: name }, secretKeys);
      if (made.status === "refused") {
        const kind = made.kind === "unstorable-secret" ? made.kind : "invalid-schedule";
        throw new ProblemError(kind, made.detail, made.errors);
      }
      const recordRun = schedules.recording(found);
      const alongside: BulkRequest["alongside"] = async (tx, accepted) => {
        await recordRun(tx, accepted);
        for (const entry of accepted) {
          // Whether Redis accepts the job is not known yet.
          const status = entry.isNew ? 202 : 200;
          await c.env.keepResponse?.(tx, {
            status,
            headers: headersOf(entry.job),
            answer: entry.job,
          });
        }
      };
      const record = () => enqueue.many({ jobs: [made.job], alongside });
      return charge === undefined ? record() : charge.reserving(1, record);
    });
    if (outcome.status === "unstorable") throw new ProblemError("unstorable-json");
    const [accepted] = outcome.status === "accepted" ? outcome.jobs : [];
    if (outcome.status !== "accepted" || accepted === undefined) {
      throw new ProblemError("at-capacity", "A job with its key is being recorded. Try again.");
    }
    const { job } = accepted;
    c.env.jobId = job.id;
    const status = accepted.isNew ? (outcome.isPlaced ? 201 : 202) : 200;
    return c.json(job, status, headersOf(job));
  };
}

function headersOf({ id }: { id: string }) {
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
