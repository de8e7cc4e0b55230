import { randomUUID } from "node:crypto";
import {
  maxFinishedPerCall,
  maxTakenPerCall,
  type FinishResult,
  type Take,
} from "@toril/contract/engine/redis/scripts/take";
import { isNotConnectionError, Job, UnrecoverableError, type Worker } from "bullmq";
import { sleep } from "../wait.ts";
import { createBullMqMoves } from "@toril/contract/engine/jobs/attempt/bullmq-moves";
import { checkStalled, startLockRenewal } from "./held-locks.ts";
import { JobMovedError } from "./attempt/process-job.ts";
import { createJobAvailability } from "./job-availability.ts";
import { scheduleNext } from "./schedule-next.ts";
import { createSlots } from "./slots.ts";
import { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";

export interface TakeLoopDeps {
  take: Take;
  /**
   * BullMQ worker without processor: it opens the blocking connection, lists this process among the workers of the
   * queue, and has the scripts of everything that take.lua does not do.
   */
  worker: Worker;
  /** Marker of the queue: a sorted set that wakes a waiting worker. */
  restoreMarker(score: number, member: string): Promise<unknown>;
  /** Maximum number of jobs whose handlers run. */
  concurrency: number;
  lockDurationMs: number;
  stalledIntervalMs: number;
  /** Value that BullMQ stores and announces for completed jobs. */
  returnValue: string;
  /**
   * Resolves when the job has ended; throws to retry, fail, delay or requeue the job, as a processor of BullMQ. Calls
   * `onHandled` when the handler has ended, which frees the slot of the job.
   */
  process(job: TakenJob, onHandled: () => void): Promise<unknown>;
  /** Called before stalled jobs are moved to the wait list. */
  beforeStalledCheck(): Promise<void>;
  onStalled(jobId: string): void;
  /** Called for a job that BullMQ moved to the failed jobs. */
  onFailed(job: Job, error: Error): void;
  onError(error: Error): void;
}

export interface TakeLoop {
  start(): void;
  /** Takes no further jobs; active jobs finish. */
  pause(): void;
  resume(): void;
  readonly isRunning: boolean;
  /** @param isForced does not wait for active jobs and for Redis */
  close(isForced: boolean): Promise<void>;
}

const errorPauseMs = 1000;
/** A job that cannot be finished for longer has lost its lock; another worker then finishes it. */
const maxFinishTries = 5;

/**
 * Takes jobs of one queue for all free slots at once and runs each in its own promise chain. Jobs that complete in the
 * same turn of the event loop are finished in one call, which also takes the next jobs; no call waits for a batch.
 */
export function createTakeLoop(deps: TakeLoopDeps): TakeLoop {
  const { take, worker, lockDurationMs, onError } = deps;
  const backend = worker.getBackend();
  const moves = createBullMqMoves({
    load: (id) => Job.fromId(worker, id),
    returnValue: deps.returnValue,
  });
  const stop = new AbortController();
  /** Jobs that are handled or settled. */
  const running = new Set<TakenJob>();
  const slots = createSlots(deps.concurrency, running, () => wake());
  let completed: TakenJob[] = [];
  let callsInFlight = 0;
  let isStarted = false;
  let isPaused = false;
  let isClosed = false;
  let isFlushing = false;
  let wake: () => void = () => {};
  let idleWaiters: (() => void)[] = [];
  let loops: Promise<unknown> = Promise.resolve();
  let renewal: Disposable | undefined;

  const availability = createJobAvailability({
    backend,
    restoreMarker: deps.restoreMarker,
    isPaused: () => isPaused,
    stop: stop.signal,
    onError,
    reportError,
  });

  async function takeLoop() {
    while (!stop.signal.aborted) {
      if (isPaused || slots.free <= 0) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const waiting = availability.wait();
      if (waiting === false) {
        await send([], Math.min(slots.free, maxTakenPerCall));
        continue;
      }
      // A slot for the job: another waiting worker is not woken for it.
      slots.reserve(1);
      await waiting;
      slots.unreserve(1);
    }
  }

  /** Finishes completed jobs and fills the free slots, when all promises of this turn of the event loop have run. */
  function flushSoon() {
    if (isFlushing) return;
    isFlushing = true;
    process.nextTick(() => {
      isFlushing = false;
      flush();
    });
  }

  function flush() {
    const jobs = completed;
    completed = [];
    let at = 0;
    do {
      const mayTake = !isPaused && !stop.signal.aborted && availability.isAllowed;
      const limit = mayTake ? Math.max(0, Math.min(slots.free, maxTakenPerCall)) : 0;
      const batch = jobs.slice(at, at + maxFinishedPerCall);
      at += batch.length;
      if (batch.length > 0 || limit > 0) void send(batch, limit);
    } while (at < jobs.length);
    wake();
  }

  async function send(jobs: readonly TakenJob[], limit: number, tries = 1): Promise<void> {
    slots.reserve(limit);
    callsInFlight += 1;
    try {
      // Unpredictable: a push endpoint knows the tokens of its own jobs.
      const reply = await take({ limit, finished: jobs, token: randomUUID() });
      slots.unreserve(limit);
      reply.finished.forEach((result, index) => {
        const job = jobs[index];
        if (job !== undefined && result !== "finished") void finishOtherwise(job, result);
      });
      for (const json of reply.jobs) void run(new TakenJob(json, worker.name, backend));
      if (limit > 0) availability.note(reply, reply.jobs.length < limit);
    } catch (error) {
      slots.unreserve(limit);
      reportError(error);
      await sleep(errorPauseMs, stop.signal);
      if (jobs.length > 0 && tries < maxFinishTries && !isClosed) void send(jobs, 0, tries + 1);
    } finally {
      callsInFlight -= 1;
      wake();
      resolveIfIdle();
    }
  }

  async function run(job: TakenJob) {
    running.add(job);
    const onHandled = slots.occupy();
    try {
      if (job.schedulerId !== undefined) {
        await scheduleNext(worker, job, job.schedulerId).catch(reportError);
      }
      if (job.deferredFailure !== undefined) throw new UnrecoverableError(job.deferredFailure);
      await deps.process(job, onHandled);
    } catch (thrown) {
      onHandled();
      await fail(job, thrown);
      running.delete(job);
      flushSoon();
      resolveIfIdle();
      return;
    }
    onHandled();
    running.delete(job);
    completed.push(job);
    flushSoon();
  }

  async function fail(job: TakenJob, thrown: unknown) {
    if (isClosed || thrown instanceof JobMovedError) return;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    try {
      deps.onFailed(await moves.fail(job, error), error);
    } catch (cause) {
      reportError(cause);
    }
  }

  async function finishOtherwise(job: TakenJob, result: Exclude<FinishResult, "finished">) {
    if (result === "unsupported") await moves.complete(job).catch(reportError);
    else onError(new Error(`job ${job.id} was not finished in Redis: ${result}`));
  }

  /** The owner of the connection reports connection errors. */
  function reportError(thrown: unknown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (!isClosed && isNotConnectionError(error)) onError(error);
  }

  function isIdle() {
    return running.size === 0 && completed.length === 0 && callsInFlight === 0;
  }

  function resolveIfIdle() {
    if (!isIdle()) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters = [];
  }

  return {
    start() {
      isStarted = true;
      renewal = startLockRenewal({ worker, jobs: running, lockDurationMs, onError, reportError });
      const stalledCheck = checkStalled({ ...deps, backend, stop: stop.signal, reportError });
      loops = Promise.all([takeLoop(), stalledCheck]);
    },
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      wake();
    },
    get isRunning() {
      return isStarted && !isPaused && !stop.signal.aborted;
    },
    async close(isForced) {
      stop.abort();
      wake();
      if (isForced) isClosed = true;
      else {
        await availability.close();
        await loops;
        if (!isIdle()) await new Promise<void>((resolve) => idleWaiters.push(resolve));
        isClosed = true;
      }
      renewal?.[Symbol.dispose]();
      await worker.close(isForced);
    },
  };
}
