import type { AttemptErrors } from "@toril/contract/engine/jobs/attempt/attempt-errors";
import { bullName } from "@toril/contract/engine/redis/names";
import { Queue, type QueueOptions, type WorkerOptions } from "bullmq";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { repeatUntilAborted } from "../../repeat.ts";
import type { Leadership } from "../leadership.ts";

export interface RecoverStalledDeps {
  redis: Redis | Cluster;
  prefix: string;
  /** Queues whose jobs are taken over HTTP: their workers cannot look for stalled jobs themselves. */
  getQueues(): readonly string[];
  stalledIntervalMs: number;
  maxStalledCount: number;
  attemptErrors: Pick<AttemptErrors, "recordLost">;
  onStalled(queue: string): void;
  log: Pick<Logger, "warn">;
}

/** Returns jobs whose lease has expired to their queues, while this process is the leader. */
export function createRecoverStalled(deps: RecoverStalledDeps) {
  const { redis, prefix, getQueues, stalledIntervalMs, maxStalledCount, log } = deps;

  function open(name: string) {
    const options: QueueOptions & Pick<WorkerOptions, "maxStalledCount" | "stalledInterval"> = {
      connection: redis,
      prefix,
      skipVersionCheck: true,
      skipWaitingForReady: true,
      skipMetasUpdate: true,
      maxStalledCount,
      stalledInterval: stalledIntervalMs,
    };
    const queue = new Queue(bullName(name), options);
    queue.on("error", () => {});
    return queue;
  }

  async function recover(name: string, queue: Queue) {
    await deps.attemptErrors.recordLost(name);
    for (const jobId of await queue.getBackend().moveStalledJobsToWait()) {
      deps.onStalled(name);
      log.warn({ queue: name, jobId }, "the lease of a job expired");
    }
  }

  return async ({ signal }: Leadership): Promise<void> => {
    const opened = new Map<string, Queue>();
    const failureMessage = "failed to find expired leases";
    const repetition = { signal, everyMs: stalledIntervalMs, log, failureMessage };
    await repeatUntilAborted(repetition, async () => {
      for (const name of redis.status === "ready" ? getQueues() : []) {
        const queue = opened.get(name) ?? open(name);
        opened.set(name, queue);
        await recover(name, queue);
      }
    });
    await Promise.allSettled([...opened.values()].map((queue) => queue.close()));
  };
}
