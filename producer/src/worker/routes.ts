import * as routes from "@toril/contract/api/http/worker";
import { limits } from "@toril/contract/api/limits";
import { fieldErrors } from "@toril/contract/api/problem";
import { JobsToTake, type LeasedJob } from "@toril/contract/api/worker/take";
import { LeaseExtension } from "@toril/contract/api/worker/extend";
import { workerLimits } from "@toril/contract/api/limits";
import { WorkerFinish } from "@toril/contract/api/worker/finish";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { Logger } from "pino";
import type { z } from "zod";
import type { ConnectionLimit } from "../events/connection-limit.ts";
import { readJson } from "../http/body.ts";
import { ProblemError } from "../http/problem.ts";
import type { RequestContext } from "../http/request-context.ts";
import { handle, type HandledRoute } from "../http/route.ts";
import type { ExtendLeases } from "./extend-leases.ts";
import type { FinishJobs } from "./finish-jobs.ts";
import type { JobWaiters } from "./job-waiters.ts";
import type { TakeJobs, TakenForWorker } from "./take-jobs.ts";
import type { WorkAccess } from "./work-access.ts";
import type { WorkerHeartbeats } from "./worker-heartbeats.ts";

export interface WorkerRoutesDeps {
  access: WorkAccess;
  takeJobs: TakeJobs;
  finishJobs: FinishJobs;
  extendLeases: ExtendLeases;
  /** Returns jobs to their queue. */
  release(queue: string, taken: readonly TakenJob[]): Promise<void>;
  waiters: Pick<JobWaiters, "wait" | "isClosed">;
  heartbeats: Pick<WorkerHeartbeats, "note">;
  connectionLimit: ConnectionLimit;
  log: Pick<Logger, "warn">;
}

type FinishedJobs = Map<string, TakenJob[]>;

export function workerRoutes(deps: WorkerRoutesDeps): HandledRoute[] {
  const { access, takeJobs, waiters, heartbeats, connectionLimit } = deps;
  /** Rotates the queues, so that each of them comes first in turn. */
  let rotation = 0;

  /** Takes jobs from the queues in turn, and removes finished jobs. */
  async function takeOnce(
    queues: readonly string[],
    { max, leaseMs, worker }: JobsToTake & { worker: string },
    finished: FinishedJobs,
  ): Promise<TakenForWorker[]> {
    const start = queues.length > 1 ? (rotation += 1) % queues.length : 0;
    const inTurn = [...queues.slice(start), ...queues.slice(0, start)];
    const taken: TakenForWorker[] = [];
    const budget = { bytes: workerLimits.takenBytes };
    for (const queue of inTurn) {
      if (taken.length >= max || budget.bytes <= 0) break;
      const toFinish = finished.get(queue);
      finished.delete(queue);
      const request = { max: max - taken.length, leaseMs, worker, budget };
      try {
        taken.push(...(await takeJobs.takeFrom(queue, request, toFinish)));
      } catch (error) {
        // The worker must get the jobs that it holds already.
        if (taken.length === 0) throw error;
        deps.log.warn({ err: error, queue }, "failed to take from a further queue");
        break;
      }
    }
    return taken;
  }

  /** Never rejects: the ledger has the outcomes, and a job that stays in Redis is removed when its lease expires. */
  async function removeFinished(finished: FinishedJobs) {
    for (const [queue, jobs] of finished) {
      finished.delete(queue);
      await takeJobs.finish(queue, jobs).catch((error: unknown) => {
        deps.log.warn({ err: error, queue }, "settled jobs were not removed from Redis");
      });
    }
  }

  async function take(
    context: RequestContext,
    queues: readonly string[],
    selection: JobsToTake,
    finished: FinishedJobs = new Map(),
  ): Promise<LeasedJob[]> {
    const { principal, request } = context;
    const worker = selection.worker ?? principal.name;
    const waitUntil = performance.now() + selection.waitMs;
    let taken = await takeOnce(queues, { ...selection, worker }, finished);
    await removeFinished(finished);
    if (taken.length === 0 && selection.waitMs > 0 && queues.length > 0) {
      const release = connectionLimit.acquire(principal);
      if (typeof release !== "string") {
        const startedAt = performance.now();
        // Plus the idle timeout of a connection.
        context.setIdleTimeout(Math.ceil(selection.waitMs / 1000) + 60);
        context.releaseMemory();
        try {
          for (
            let left = selection.waitMs;
            taken.length === 0 && left > 0 && !request.signal.aborted;
          ) {
            await waiters.wait(queues, left, request.signal);
            taken = await takeOnce(queues, { ...selection, worker }, new Map());
            left = waiters.isClosed ? 0 : waitUntil - performance.now();
          }
        } finally {
          release();
          context.waitedMs = performance.now() - startedAt;
        }
      }
    }
    if (request.signal.aborted && taken.length > 0) {
      // Nobody reads the response.
      for (const [queue, jobs] of Map.groupBy(taken, ({ leased }) => leased.queue)) {
        await deps.release(
          queue,
          jobs.map(({ job }) => job),
        );
      }
      return [];
    }
    noteTaken(selection, worker, queues, taken);
    return taken.map(({ leased }) => leased);
  }

  function noteTaken(
    { max, leaseMs }: JobsToTake,
    worker: string,
    queues: readonly string[],
    taken: readonly TakenForWorker[],
  ) {
    const byQueue = Map.groupBy(taken, ({ leased }) => leased.queue);
    for (const queue of queues.slice(0, maxNotedQueues)) {
      const count = byQueue.get(queue)?.length ?? 0;
      const leaseUntil = count > 0 ? Date.now() + leaseMs : 0;
      heartbeats.note({ queue, worker, max, leaseUntil }, count);
    }
  }

  return [
    handle(routes.takeJobs, async (c) => {
      const selection = await read(c.env, JobsToTake, limits.bodyBytes);
      const queues = await access.getQueues(c.env, selection, "");
      return c.json({ jobs: await take(c.env, queues, selection) }, 200);
    }),

    handle(routes.finishJobs, async (c) => {
      const { results: reports, take: selection } = await read(
        c.env,
        WorkerFinish,
        workerLimits.bodyBytes,
      );
      await access.requireTypes(
        c.env,
        reports.map(({ lease }) => lease),
      );
      const queues = selection && (await access.getQueues(c.env, selection, "/take"));
      const { results, finished } = await deps.finishJobs(reports, (queue) =>
        access.mayWork(c.env, queue),
      );
      let jobs: LeasedJob[] | undefined;
      if (selection !== undefined && queues !== undefined) {
        try {
          jobs = await take(c.env, queues, selection, finished);
        } catch (error) {
          // The results are recorded: the worker must learn that.
          deps.log.warn({ err: error }, "failed to take jobs after results were recorded");
          jobs = [];
        }
      }
      await removeFinished(finished);
      return c.json({ results, ...(jobs !== undefined && { jobs }) }, 200);
    }),

    handle(routes.extendLeases, async (c) => {
      const extension = await read(c.env, LeaseExtension, workerLimits.bodyBytes);
      await access.requireTypes(
        c.env,
        extension.leases.map(({ lease }) => lease),
      );
      const leases = await deps.extendLeases(extension, (queue) => access.mayWork(c.env, queue));
      return c.json({ leases }, 200);
    }),
  ];
}

/** A worker of more queues is shown in the first ones only. */
const maxNotedQueues = 20;

async function read<Schema extends z.ZodType>(
  context: RequestContext,
  schema: Schema,
  maxBytes: number,
): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(await readJson(context, maxBytes, context.quota));
  if (parsed.success) return parsed.data;
  throw new ProblemError("invalid-request", undefined, fieldErrors(parsed.error.issues));
}
