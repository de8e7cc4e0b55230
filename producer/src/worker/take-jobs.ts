import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { z } from "zod";
import { parseRecorded } from "@toril/contract/api/job-data/parse-safely";
import type { JobType } from "@toril/contract/api/job-type";
import type { LeasedJob } from "@toril/contract/api/worker/take";
import { encodeLease } from "@toril/contract/engine/jobs/attempt/lease";
import type { LostAttempts } from "@toril/contract/engine/jobs/attempt/lost-attempts";
import type { StartedAttempt } from "@toril/contract/engine/jobs/attempt/attempt-history";
import type { AttemptOutcomes, AttemptResult } from "@toril/contract/engine/jobs/attempt/outcome";
import type { StartAttempt } from "@toril/contract/engine/jobs/attempt/start-attempt";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { AttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import type { Hold } from "@toril/contract/engine/redis/scripts/hold";
import { parseBullId } from "@toril/contract/engine/redis/names";
import {
  maxFinishedPerCall,
  maxTakenPerCall,
  type TakeReply,
} from "@toril/contract/engine/redis/scripts/take";
import type { JobWaiters } from "./job-waiters.ts";
import type { PullQueue } from "./pull-queues.ts";

export interface TakeJobsDeps {
  getQueue(name: string): PullQueue;
  hold: Hold;
  findType(job: TakenJob): JobType | undefined;
  getRevision(): number;
  startAttempt: StartAttempt;
  attempts: AttemptOutcomes;
  lostAttempts: LostAttempts;
  waiters: Pick<JobWaiters, "notify" | "notifyAt">;
  metrics: AttemptMetrics;
  log: Pick<Logger, "warn">;
}

export interface TakeRequest {
  max: number;
  /** Size of the data that may still be taken; taking reduces it. */
  budget: { bytes: number };
  leaseMs: number;
  worker: string;
}

/** A job for a worker, and what returns it to the queue. */
export interface TakenForWorker {
  leased: LeasedJob;
  job: TakenJob;
}

/** Takes and finishes jobs of one queue. Rejects if a store is unavailable; then no job stays with the worker. */
export interface TakeJobs {
  /** @param finished jobs to remove from Redis, whose outcome is recorded */
  takeFrom(
    queue: string,
    request: TakeRequest,
    finished?: readonly TakenJob[],
  ): Promise<TakenForWorker[]>;
  finish(queue: string, jobs: readonly TakenJob[]): Promise<void>;
}

/** Maximum number of lost attempts of a job that Redis lost repeatedly; then the job is dead. */
const maxLostAttempts = 20;
const maxRateLimitWaitMs = 1000;
const malformedPauseMs = 1000;
/** Assumed size of a job before the first jobs are taken, so that a first call cannot take too much. */
const unknownBytes = 250_000;

export function createTakeJobs(deps: TakeJobsDeps): TakeJobs {
  const { getQueue, hold, findType, startAttempt, attempts, lostAttempts } = deps;
  const { waiters, metrics, log } = deps;

  /** One call of take.lua. */
  async function call(
    queue: string,
    limit: number,
    finished: readonly TakenJob[],
    request: Pick<TakeRequest, "leaseMs" | "worker">,
  ) {
    const pullQueue = getQueue(queue);
    const reply = await pullQueue.take({
      limit,
      finished,
      token: randomUUID(),
      workerName: request.worker,
      lockDurationMs: request.leaseMs,
    });
    reply.finished.forEach((result, index) => {
      const job = finished[index];
      if (job === undefined || result === "finished") return;
      if (result === "unsupported") void pullQueue.complete(job);
      else log.warn({ jobId: job.id, result }, "a settled job was not finished in Redis");
    });
    if (limit > 0) noteAvailability(queue, reply);
    return reply;
  }

  function noteAvailability(queue: string, { malformed, rateLimitMs, nextDueAt }: TakeReply) {
    if (malformed !== undefined) {
      log.warn({ queue, malformed }, "malformed queue settings: no job is taken");
      waiters.notifyAt(queue, Date.now() + malformedPauseMs);
    } else if (rateLimitMs > 0) {
      waiters.notifyAt(queue, Date.now() + Math.min(rateLimitMs, maxRateLimitWaitMs));
    } else if (nextDueAt > 0) waiters.notifyAt(queue, nextDueAt);
  }

  /** Returns the attempt that the worker runs, or the result of a job that must not run. */
  async function start(queue: string, job: TakenJob) {
    const target = parseBullId(job.id);
    if (target === undefined) return attempts.rejectForeign();
    const ended = await startAttempt.checkLedger(job, target);
    if (ended !== undefined) return ended;
    const failed = { job, target, attempt: job.attempt, scrub: undefined };
    if (job.deferredFailure !== undefined) {
      // The job stalled too often.
      return attempts.failLost(failed, job.stalledCounter);
    }
    const prepared = await startAttempt.prepare(queue, job, target);
    if (!("start" in prepared)) return prepared;
    if (job.opts.recovered) {
      const lost = await lostAttempts.count(target.id, target.generation);
      if (lost >= maxLostAttempts) return attempts.failLost(prepared.start, lost);
    }
    const parsed = parseRecorded(prepared.jobType, prepared.data);
    if (!parsed.success) {
      const detail = z.prettifyError(parsed.error);
      const message = `The data does not match the schema of the job type: ${detail}`;
      return attempts.fail(prepared.start, {
        error: { name: "NonRetryableError", message },
        retry: "never",
      });
    }
    if (job.attemptsStarted === 1 && job.timestamp > 0) {
      metrics.observeWait(queue, job.name, job.waitMs);
    }
    return { ...prepared, data: parsed.data };
  }

  async function startAll(queue: string, jobs: readonly TakenJob[], { leaseMs }: TakeRequest) {
    const results = await Promise.allSettled(jobs.map((job) => start(queue, job)));
    const failure = results.find((result) => result.status === "rejected");
    const started: TakenForWorker[] = [];
    const ended: { job: TakenJob; result: AttemptResult }[] = [];
    const unclear: TakenJob[] = [];
    results.forEach((result, index) => {
      const job = jobs[index];
      if (job === undefined) return;
      if (result.status === "rejected") unclear.push(job);
      else if ("start" in result.value) {
        const { start: attempt, data } = result.value;
        const revision = attempt.scrub && deps.getRevision();
        started.push({ leased: toLeasedJob(queue, attempt, { data, leaseMs, revision }), job });
      } else ended.push({ job, result: result.value });
    });
    await finishEnded(queue, ended);
    if (failure !== undefined) {
      await getQueue(queue).release([...unclear, ...started.map(({ job }) => job)]);
      throw failure.reason;
    }
    await shortenLeases(queue, started, leaseMs);
    return started;
  }

  async function finishEnded(
    queue: string,
    ended: readonly { job: TakenJob; result: AttemptResult }[],
  ) {
    const finished: TakenJob[] = [];
    await Promise.all(
      ended.map(async ({ job, result }) => {
        metrics.countAttempt(queue, findType(job)?.type ?? "unknown", result.outcome, job);
        if (await getQueue(queue).apply(job, result)) finished.push(job);
      }),
    );
    await finish(queue, finished);
  }

  /** The locks of jobs whose timeout is shorter than the lease. */
  async function shortenLeases(queue: string, started: readonly TakenForWorker[], leaseMs: number) {
    const leases = started.flatMap(({ job }) =>
      job.opts.timeoutMs !== undefined && job.opts.timeoutMs < leaseMs ? [job] : [],
    );
    if (leases.length === 0) return;
    await hold(queue, { mode: "extend", ms: leaseMs, returnsData: false, leases });
  }

  async function finish(queue: string, jobs: readonly TakenJob[]) {
    const request = { leaseMs: 1000, worker: "" };
    for (let at = 0; at < jobs.length; at += maxFinishedPerCall) {
      await call(queue, 0, jobs.slice(at, at + maxFinishedPerCall), request);
    }
    // A slot of the queue's concurrency may be free.
    if (jobs.length > 0) waiters.notify(queue);
  }

  return {
    finish,
    async takeFrom(queue, request, finished = []) {
      await finish(queue, finished.slice(maxFinishedPerCall));
      let toFinish = finished.slice(0, maxFinishedPerCall);
      const taken: TakenForWorker[] = [];
      let meanBytes = unknownBytes;
      try {
        while (taken.length < request.max && request.budget.bytes > 0) {
          const fitting = Math.ceil(request.budget.bytes / meanBytes);
          const limit = Math.min(request.max - taken.length, maxTakenPerCall, fitting);
          const { jobs } = await call(queue, limit, toFinish, request);
          toFinish = [];
          const bytes = jobs.reduce((sum, { data = "" }) => sum + data.length, 0);
          meanBytes = Math.max(1, bytes / jobs.length);
          request.budget.bytes -= bytes;
          const toTakenJob = getQueue(queue).toTakenJob;
          taken.push(...(await startAll(queue, jobs.map(toTakenJob), request)));
          if (jobs.length < limit) break;
        }
      } catch (error) {
        if (taken.length === 0) throw error;
        log.warn({ err: error, queue }, "failed to take further jobs for a worker");
      }
      return taken;
    },
  };
}

function toLeasedJob(
  queue: string,
  { job, target, attempt }: StartedAttempt,
  { data, leaseMs, revision }: { data: unknown; leaseMs: number; revision: number | undefined },
): LeasedJob {
  const { timeoutMs, attempts = 1 } = job.opts;
  const { id, generation } = target;
  const until = job.processedOn + Math.min(leaseMs, timeoutMs ?? leaseMs);
  return {
    id,
    type: job.name,
    queue,
    tenant: job.tenant,
    data,
    attempt,
    maxAttempts: attempts,
    lease: encodeLease({ queue, generation, token: job.token, revision }),
    leaseUntil: new Date(until).toISOString(),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(job.traceparent !== undefined && { traceparent: job.traceparent }),
  };
}
