import type { QueueSize } from "@toril/contract/engine/queues/queue-sizes";
import type { QueueArrivals, WatchedQueue } from "@toril/contract/engine/queues/watch-queue";
import type { Queue } from "@toril/contract/api/queue";
import type { ConnectedWorkers } from "./connected-workers.ts";
import { ProblemError } from "../http/problem.ts";

export interface QueueReader {
  /** Reads the queues from Redis; throws a problem if Redis is unavailable. */
  read(queues: readonly string[]): Promise<Queue[]>;
  /**
   * Jobs per second that left a queue, as of the last sample; undefined if the rate is unknown or the queue is paused.
   */
  getDequeueRate(queue: string): number | undefined;
  /** Reads the arrivals of the sampled queues. Rejects with the client's errors. */
  readArrivals(): Promise<(QueueArrivals & { queue: string })[]>;
  close(): void;
}

export interface QueueReaderDeps {
  connected: ConnectedWorkers;
  readSizes(queues: readonly string[]): Promise<readonly QueueSize[]>;
  watch(queue: string): Promise<WatchedQueue>;
  /** Queues that are sampled regularly, so that a rate is known when a client asks. */
  queues(): readonly string[];
}

const sampleEveryMs = 5000;

export function createQueueReader({
  connected,
  readSizes,
  watch,
  queues,
}: QueueReaderDeps): QueueReader {
  const rates = new Map<string, number | undefined>();
  const sampleOne = async (queue: string) => {
    // Redis is unavailable: the rate is unknown.
    const watched = await watch(queue).catch(() => undefined);
    rates.set(queue, watched?.paused === false ? watched.rates?.out : undefined);
  };
  const sample = () => {
    for (const queue of queues()) void sampleOne(queue);
  };
  const timer = setInterval(sample, sampleEveryMs);
  sample();

  async function read(names: readonly string[]): Promise<Queue[]> {
    const [sizes, watched] = await Promise.all([readSizes(names), Promise.all(names.map(watch))]);
    const stock = await Promise.all(
      names.map((name, at) => connected.countStock(name, watched[at]?.workers ?? [])),
    );
    return sizes.flatMap(({ queue: name, counts, oldestMs: oldestWaitingMs }, at) => {
      const found = watched[at];
      if (found === undefined) return [];
      const { arrivals: _, ...rest } = found;
      return [{ name, counts, oldestWaitingMs, stockWorkers: stock[at] ?? null, ...rest }];
    });
  }

  return {
    getDequeueRate: (queue) => rates.get(queue),
    readArrivals: async () => {
      const names = queues();
      const watched = await Promise.all(names.map(watch));
      return watched.map(({ arrivals }, index) => ({ ...arrivals, queue: names[index] ?? "" }));
    },
    read: (names) => read(names).catch(throwUnavailable),
    close: () => clearInterval(timer),
  };
}

/** Throws a problem: only Redis knows how many jobs a queue has. */
export function throwUnavailable(): never {
  throw new ProblemError("at-capacity", "Redis is unavailable.");
}
