import type { Job, Queue, QueueOptions, WorkerOptions } from "bullmq";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import {
  type BullMqMoves,
  createBullMqMoves,
} from "@toril/contract/engine/jobs/attempt/bullmq-moves";
import type { AttemptResult } from "@toril/contract/engine/jobs/attempt/outcome";
import { type JobBackend, TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import { bullName, settledReturnValue } from "@toril/contract/engine/redis/names";
import { createTake, type Take, type TakenJson } from "@toril/contract/engine/redis/scripts/take";

export interface PullQueuesDeps {
  redis: Redis | Cluster;
  prefix: string;
  /** The text of `takeScriptUrl`. */
  takeScript: string;
  log: Pick<Logger, "warn">;
}

/** Redis commands for the jobs of a queue that HTTP workers process. */
export interface PullQueue {
  take: Take;
  toTakenJob(json: TakenJson): TakenJob;
  /**
   * Applies the outcome of an attempt in Redis. Never rejects: the ledger has the outcome, and a job that stays active stalls.
   * @returns whether the job must still be removed with `take`
   */
  apply(job: TakenJob, result: AttemptResult): Promise<boolean>;
  /** Finishes a job that `take` does not support. */
  complete(job: TakenJob): Promise<void>;
  /** Returns jobs to the front of the queue. Never rejects: otherwise their leases expire. */
  release(jobs: readonly TakenJob[]): Promise<void>;
}

/** Failed jobs stay in Redis for the dashboard; the ledger keeps them longer. */
const keptFailedJobs = { age: 7 * 24 * 60 * 60, count: 1000 };
/** Used only where a request names no lease. */
const lockDurationMs = 30_000;

/** Creates the queues on demand. */
export function createPullQueues({ redis, prefix, takeScript, log }: PullQueuesDeps) {
  const opened = new Map<string, PullQueue>();
  const bullQueues = new Map<string, Queue>();

  /** BullMQ takes 10 MB, and jobs that complete do not need it. */
  async function openBullQueue(name: string): Promise<Queue> {
    const { Queue } = await import("bullmq");
    const existing = bullQueues.get(name);
    if (existing !== undefined) return existing;
    const options: QueueOptions & Partial<Pick<WorkerOptions, "lockDuration" | "removeOnFail">> = {
      connection: redis,
      prefix,
      skipVersionCheck: true,
      skipWaitingForReady: true,
      skipMetasUpdate: true,
      lockDuration: lockDurationMs,
      removeOnFail: keptFailedJobs,
    };
    const queue = new Queue(bullName(name), options);
    queue.on("error", () => {});
    bullQueues.set(name, queue);
    return queue;
  }

  function open(name: string): PullQueue {
    const moves = createBullMqMoves({
      async load(id) {
        const { Job } = await import("bullmq");
        return Job.fromId(await openBullQueue(name), id);
      },
      returnValue: settledReturnValue,
    });
    const take = createTake(redis, {
      prefix,
      queue: name,
      script: takeScript,
      workerName: "",
      lockDurationMs,
      limiter: undefined,
      returnValue: JSON.stringify(settledReturnValue),
    });
    const backend = createLazyBackend(async () => {
      return (await openBullQueue(name)).getBackend();
    });
    return createPullQueue({ take, moves, backend, log }, bullName(name));
  }

  return {
    get(name: string): PullQueue {
      let queue = opened.get(name);
      if (queue === undefined) opened.set(name, (queue = open(name)));
      return queue;
    },
    async close() {
      await Promise.all([...bullQueues.values()].map((queue) => queue.close()));
    },
  };
}

function createLazyBackend(open: () => Promise<JobBackend>): JobBackend {
  return {
    addLog: async (...args) => (await open()).addLog(...args),
    updateProgress: async (...args) => (await open()).updateProgress(...args),
    extendLock: async (...args) => (await open()).extendLock(...args),
    moveToDelayed: async (...args) => (await open()).moveToDelayed(...args),
    moveJobFromActiveToWait: async (...args) => (await open()).moveJobFromActiveToWait(...args),
  };
}

interface PullQueueDeps {
  take: Take;
  moves: BullMqMoves<Job>;
  backend: JobBackend;
  log: Pick<Logger, "warn">;
}

function createPullQueue(
  { take, moves, backend, log }: PullQueueDeps,
  queueName: string,
): PullQueue {
  async function attempt(job: TakenJob, work: () => Promise<unknown>) {
    try {
      await work();
    } catch (error) {
      log.warn({ err: error, jobId: job.id }, "failed to move a job of a worker in Redis");
    }
  }

  return {
    take,
    toTakenJob: (json) => new TakenJob(json, queueName, backend),
    async apply(job, { outcome, failure }) {
      if (failure !== undefined) {
        await attempt(job, () => moves.fail(job, failure));
        return false;
      }
      return outcome !== "delayed" && outcome !== "requeued";
    },
    complete: (job) => attempt(job, () => moves.complete(job)),
    async release(jobs) {
      await Promise.all(jobs.map((job) => attempt(job, () => job.moveToWait())));
    },
  };
}
