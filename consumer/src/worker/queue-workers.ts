import {
  bullName,
  parseBullId,
  queueKeys,
  settledReturnValue,
} from "@toril/contract/engine/redis/names";
import { createTake } from "@toril/contract/engine/redis/scripts/take";
import { Worker, type Job } from "bullmq";
import type { Cluster, Redis } from "ioredis";
import { waitForAbort, isDoneWithin } from "../wait.ts";
import { toJobError } from "@toril/contract/engine/jobs/attempt/job-error";
import { createThrottledLog } from "../observability/throttled-log.ts";
import { createProcessor, getTypeLabel, type ProcessorDeps } from "./attempt/process-job.ts";
import { JobEndedError } from "@toril/contract/engine/jobs/attempt/outcome";
import { createTakeLoop } from "./take-loop.ts";

export interface WorkerSettings {
  queues: readonly string[];
  prefix: string;
  /** Name of this process in the history of jobs. */
  workerName: string;
  /** Maximum number of concurrent handlers of a queue. */
  getConcurrency(queue: string): number;
  /** Per queue, shared by all consumers. */
  limiter: { max: number; duration: number } | undefined;
  lockDurationMs: number;
  stalledIntervalMs: number;
  maxStalledCount: number;
  /** The text of `takeScriptUrl`. */
  takeScript: string;
}

export interface WorkerEvents {
  onStalled(queue: string): void;
  onWorkerError(): void;
}

export interface Workers {
  start(): void;
  /** Starts no further jobs; active jobs finish. */
  pause(): void;
  resume(): void;
  readonly isRunning: boolean;
  /**
   * Waits for active jobs until `deadline` is aborted, then aborts and requeues them. Resolves soon after the deadline
   * in any case.
   * @returns whether every job finished
   */
  close(deadline: AbortSignal): Promise<boolean>;
}

/** Failed jobs stay in Redis for the dashboard; the ledger keeps them longer. */
const keptFailedJobs = { age: 7 * 24 * 60 * 60, count: 1000 };
const errorPeriodMs = 10_000;
/** Time for aborted handlers to end, and for BullMQ to close, which would wait for Redis without a limit. */
const graceMs = 1000;

/**
 * Creates one worker per queue.
 * @param redis shared by all workers; each worker duplicates the connection for blocking reads
 */
export function createWorkers(
  redis: Redis | Cluster,
  settings: WorkerSettings,
  deps: Omit<ProcessorDeps, "lockDurationMs"> & WorkerEvents,
): Workers {
  const { activeJobs, log, settler } = deps;
  const logError = createThrottledLog(
    (error, repeated) => log.error({ err: error, repeated }, "worker error"),
    { periodMs: errorPeriodMs, now: () => performance.now() },
  );
  const workers = settings.queues.map(createWorker);
  let isClosing = false;
  let closed: Promise<boolean> | undefined;

  function createWorker(queue: string) {
    const { prefix, limiter, lockDurationMs } = settings;
    const worker = new Worker(bullName(queue), null, {
      connection: redis,
      name: settings.workerName,
      prefix,
      lockDuration: lockDurationMs,
      maxStalledCount: settings.maxStalledCount,
      stalledInterval: settings.stalledIntervalMs,
      removeOnComplete: { count: 0 },
      removeOnFail: keptFailedJobs,
      autorun: false,
    });
    worker.on("error", onError);
    return createTakeLoop({
      take: createTake(redis, {
        prefix,
        queue,
        script: settings.takeScript,
        workerName: settings.workerName,
        lockDurationMs,
        limiter,
        returnValue: JSON.stringify(settledReturnValue),
      }),
      worker,
      restoreMarker: (score, member) => redis.zadd(queueKeys(prefix, queue).marker, score, member),
      concurrency: settings.getConcurrency(queue),
      lockDurationMs,
      stalledIntervalMs: settings.stalledIntervalMs,
      returnValue: settledReturnValue,
      process: createProcessor(queue, { ...deps, lockDurationMs }),
      beforeStalledCheck: () => deps.attemptErrors.recordLost(queue),
      onStalled(jobId) {
        deps.onStalled(queue);
        log.warn({ queue, jobId }, "job stalled");
      },
      onFailed(job, error) {
        // BullMQ failed the job without running the processor, for example because the job stalled too often.
        if (job.finishedOn !== undefined && !(error instanceof JobEndedError))
          void settleFailedByBullMq(queue, job, error);
      },
      onError,
    });
  }

  function onError(error: Error) {
    deps.onWorkerError();
    logError(error);
  }

  async function settleFailedByBullMq(queue: string, job: Job, thrown: Error) {
    const target = parseBullId(job.id ?? "");
    if (target === undefined) return;
    const error = toJobError(thrown);
    log.warn({ queue, jobId: target.id, type: job.name, err: error }, "job is dead");
    try {
      await settler.settle({
        ...target,
        status: "dead",
        // BullMQ counts this failure as an attempt, although no handler ran.
        attempts: Math.max(0, job.attemptsMade - 1) + job.stalledCounter,
        result: null,
        error: JSON.stringify(error),
        failures: JSON.stringify(await deps.attemptErrors.read(queue, job.id ?? "")),
      });
      deps.metrics.countAttempt(queue, getTypeLabel(deps.jobTypes, job), "dead", job);
      deps.metrics.countLostJob(queue, getTypeLabel(deps.jobTypes, job));
    } catch (cause) {
      log.warn(
        { jobId: target.id, err: cause },
        "failed to settle a dead job; the reconciler will settle it",
      );
    }
  }

  async function close(deadline: AbortSignal) {
    isClosing = true;
    for (const worker of workers) worker.pause();
    await Promise.race([activeJobs.waitUntilIdle(), waitForAbort(deadline)]);
    activeJobs.abortAll(new Error("The consumer is shutting down."));
    await isDoneWithin(graceMs, activeJobs.waitUntilIdle());
    const isIdle = activeJobs.size === 0 && redis.status === "ready";
    const closing = Promise.all(workers.map((worker) => worker.close(!isIdle)));
    return (await isDoneWithin(graceMs, closing)) && isIdle;
  }

  return {
    start() {
      for (const worker of workers) worker.start();
    },
    pause() {
      for (const worker of workers) worker.pause();
    },
    resume() {
      if (!isClosing) for (const worker of workers) worker.resume();
    },
    get isRunning() {
      return workers.every((worker) => worker.isRunning);
    },
    close: (deadline) => (closed ??= close(deadline)),
  };
}
