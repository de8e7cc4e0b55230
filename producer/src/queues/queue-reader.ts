import type { QueueSize } from "@toril/contract/engine/redis/queue-sizes";
import type { WatchedQueue } from "@toril/contract/engine/redis/watch-queue";
import type { Queue } from "@toril/contract/api/queue";
import { ProblemError } from "../http/problem.ts";

export interface QueueReader {
  /** As Redis has them; throws a problem when it is away. */
  describe(queues: readonly string[]): Promise<Queue[]>;
  /** Jobs a second that left a queue of late, when it was last looked at; undefined: unknown, or it is paused. */
  rateOut(queue: string): number | undefined;
  close(): void;
}

export interface QueueReaderDeps {
  readSizes(queues: readonly string[]): Promise<readonly QueueSize[]>;
  watch(queue: string): Promise<WatchedQueue>;
  /** Those of which samples are taken, so that there is something to compare with when somebody asks. */
  queues: readonly string[];
}

const sampleEveryMs = 5000;

export function createQueueReader({ readSizes, watch, queues }: QueueReaderDeps): QueueReader {
  const rates = new Map<string, number | undefined>();
  const sampleOne = async (queue: string) => {
    const watched = await watch(queue).catch(() => undefined);
    rates.set(queue, watched?.paused === false ? watched.rates?.out : undefined);
  };
  const sample = () => {
    for (const queue of queues) void sampleOne(queue);
  };
  const timer = setInterval(sample, sampleEveryMs);
  sample();

  async function read(names: readonly string[]): Promise<Queue[]> {
    const [sizes, watched] = await Promise.all([readSizes(names), Promise.all(names.map(watch))]);
    return sizes.flatMap(({ queue: name, counts, oldestMs: oldestWaitingMs }, at) => {
      const rest = watched[at];
      return rest === undefined ? [] : [{ name, counts, oldestWaitingMs, ...rest }];
    });
  }

  return {
    rateOut: (queue) => rates.get(queue),
    describe: (names) => read(names).catch(away),
    close: () => clearInterval(timer),
  };
}

/** How full a queue is stands nowhere else. */
export function away(): never {
  throw new ProblemError("at-capacity", "Redis is away.");
}
