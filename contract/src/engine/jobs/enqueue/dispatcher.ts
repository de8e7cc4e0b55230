import type { CancelledJob } from "../change/cancel.ts";
import type { RemoveFromRedis } from "../change/remove-from-redis.ts";
import { bullId } from "../../redis/names.ts";
import { toDispatchOptions } from "../../redis/options.ts";
import type { DispatchEntry } from "../../redis/dispatch.ts";
import type { Remove } from "../../redis/remove.ts";
import type { RemoveWaiting } from "../../postgres/replace.ts";
import type { Breakers } from "./breaker.ts";
import { BatchRefused } from "../../batcher.ts";
import type { NewJob } from "./new-job.ts";

export interface Dispatcher {
  /** Throws `BatchRefused` if the queue's Redis is unavailable and the limit of undispatched jobs is reached. */
  reserve(queue: string): void;
  /**
   * Dispatches recorded jobs to BullMQ and returns those that are in Redis now. The reconciler dispatches the others.
   */
  dispatch(jobs: readonly NewJob[]): Promise<ReadonlySet<NewJob>>;
  /** Removes replaced jobs from Redis. */
  takeBack: RemoveWaiting;
  /** Removes ended generations from Redis. */
  withdraw(runs: readonly CancelledJob[]): Promise<void>;
  readonly unplaced: number;
  /** Whether jobs of this queue can be dispatched now, as far as known. */
  isPlaceable(queue: string): boolean;
}

export interface DispatcherDeps {
  place(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  remove: Remove;
  withdraw: RemoveFromRedis;
  breakers: Breakers;
  /** Maximum number of jobs recorded while Redis is unavailable. */
  maxUnplaced: number;
}

/** Creates the dispatcher, which guards Redis with circuit breakers. */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { place, remove, withdraw, breakers, maxUnplaced } = deps;
  /** Number of undispatched jobs by queue, since the queue's breaker opened. */
  const unplaced = new Map<string, number>();

  function countUnplaced() {
    let sum = 0;
    for (const [queue, count] of unplaced) {
      if (breakers.isOpen(queue)) sum += count;
      else unplaced.delete(queue);
    }
    return sum;
  }

  return {
    reserve(queue) {
      if (breakers.isOpen(queue) && countUnplaced() >= maxUnplaced) throw new BatchRefused("full");
    },
    async dispatch(jobs) {
      const placed = new Set<NewJob>();
      const groups = [...groupByQueue(jobs)];
      await Promise.all(
        groups.map(async ([queue, group]) => {
          const isPlaced = await breakers.attempt(queue, () => place(queue, toPlacements(group)));
          if (isPlaced) for (const job of group) placed.add(job);
          else unplaced.set(queue, (unplaced.get(queue) ?? 0) + group.length);
        }),
      );
      return placed;
    },
    async takeBack(runs) {
      const active = new Set<CancelledJob>();
      await Promise.all(
        [...Map.groupBy(runs, (run) => run.queue)].map(([queue, group]) =>
          breakers.attempt(queue, async () => {
            const ids = group.map(({ id, run }) => bullId(id, run));
            const states = await remove(queue, ids, "any");
            for (const [at, run] of group.entries()) if (states[at] === "active") active.add(run);
          }),
        ),
      );
      return runs.filter((run) => !active.has(run));
    },
    withdraw: (runs) => withdrawGuarded(breakers, withdraw, runs),
    get unplaced() {
      return countUnplaced();
    },
    isPlaceable: (queue) => !breakers.isOpen(queue),
  };
}

/**
 * Removes ended jobs from Redis through the breakers. A worker that takes a remaining one finds it ended in the ledger.
 */
export async function withdrawGuarded(
  breakers: Breakers,
  withdraw: RemoveFromRedis,
  runs: readonly CancelledJob[],
): Promise<void> {
  await Promise.all(
    [...Map.groupBy(runs, (run) => run.queue)].map(([queue, group]) =>
      breakers.attempt(queue, () => withdraw(group)),
    ),
  );
}

function groupByQueue(jobs: readonly NewJob[]) {
  const groups = new Map<string, NewJob[]>();
  for (const job of jobs) {
    const group = groups.get(job.queue);
    if (group === undefined) groups.set(job.queue, [job]);
    else group.push(job);
  }
  return groups;
}

function toPlacements(jobs: readonly NewJob[]): DispatchEntry[] {
  const timestamp = Date.now();
  return jobs.map((job) => {
    const options = toDispatchOptions(job, timestamp);
    if (job.trace !== null) options.traceparent = job.trace;
    return { bullId: bullId(job.id, 0), type: job.type, data: job.data, options };
  });
}
