import type { CancelledJob } from "../change/cancel.ts";
import type { RemoveFromRedis } from "../change/remove-from-redis.ts";
import { bullId } from "../../redis/names.ts";
import { type DispatchOptions, toDispatchOptions } from "../../redis/scripts/options.ts";
import type { DispatchEntry } from "../../redis/scripts/dispatch.ts";
import type { Remove } from "../../redis/scripts/remove.ts";
import type { RemoveWaiting } from "../insert/replace-waiting.ts";
import type { Breakers } from "./breaker.ts";
import { BatchRefused } from "../../batcher.ts";
import type { NewJob } from "./new-job.ts";
import type { RecordUndispatched } from "./undispatched-ledger.ts";

export interface Dispatcher {
  /** Throws `BatchRefused` if the queue's Redis is unavailable and the limit of undispatched jobs is reached. */
  reserve(queue: string): void;
  /**
   * Dispatches recorded jobs to BullMQ and returns those that are in Redis now. The reconciler dispatches the others.
   */
  dispatch(jobs: readonly NewJob[]): Promise<ReadonlySet<NewJob>>;
  /** Removes replaced jobs from Redis. */
  removeWaiting: RemoveWaiting;
  /** Removes ended generations from Redis. */
  removeFromRedis(jobs: readonly CancelledJob[]): Promise<void>;
  readonly undispatched: number;
  /** Whether jobs of this queue can be dispatched now, as far as known. */
  isDispatchable(queue: string): boolean;
}

export interface DispatcherDeps {
  dispatch(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  remove: Remove;
  removeFromRedis: RemoveFromRedis;
  breakers: Breakers;
  recordUndispatched: RecordUndispatched;
  /** Maximum number of jobs recorded while Redis is unavailable. */
  maxUndispatched: number;
}

/** Creates the dispatcher, which guards Redis with circuit breakers. */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { dispatch, remove, removeFromRedis, breakers, recordUndispatched, maxUndispatched } = deps;
  /** Number of undispatched jobs by queue, since the queue's breaker opened. */
  const undispatched = new Map<string, number>();

  function countUndispatched() {
    let sum = 0;
    for (const [queue, count] of undispatched) {
      if (breakers.isOpen(queue)) sum += count;
      else undispatched.delete(queue);
    }
    return sum;
  }

  return {
    reserve(queue) {
      if (breakers.isOpen(queue) && countUndispatched() >= maxUndispatched)
        throw new BatchRefused("full");
    },
    async dispatch(jobs) {
      const dispatched = new Set<NewJob>();
      const groups = [...groupByQueue(jobs)];
      await Promise.all(
        groups.map(async ([queue, group]) => {
          const isDispatched = await breakers.attempt(queue, () =>
            dispatch(queue, toDispatchEntries(group)),
          );
          if (isDispatched) {
            for (const job of group) dispatched.add(job);
          } else {
            undispatched.set(queue, (undispatched.get(queue) ?? 0) + group.length);
            await recordUndispatched(group);
          }
        }),
      );
      return dispatched;
    },
    async removeWaiting(jobs) {
      const active = new Set<CancelledJob>();
      await Promise.all(
        [...Map.groupBy(jobs, (job) => job.queue)].map(([queue, group]) =>
          breakers.attempt(queue, async () => {
            const ids = group.map(({ id, generation }) => bullId(id, generation));
            const states = await remove(queue, ids, "any");
            for (const [at, job] of group.entries()) if (states[at] === "active") active.add(job);
          }),
        ),
      );
      return jobs.filter((job) => !active.has(job));
    },
    removeFromRedis: (jobs) => removeFromRedisGuarded(breakers, removeFromRedis, jobs),
    get undispatched() {
      return countUndispatched();
    },
    isDispatchable: (queue) => !breakers.isOpen(queue),
  };
}

/**
 * Removes ended jobs from Redis through the breakers. A worker that takes a remaining one finds it ended in the ledger.
 */
export async function removeFromRedisGuarded(
  breakers: Breakers,
  removeFromRedis: RemoveFromRedis,
  jobs: readonly CancelledJob[],
): Promise<void> {
  await Promise.all(
    [...Map.groupBy(jobs, (job) => job.queue)].map(([queue, group]) =>
      breakers.attempt(queue, () => removeFromRedis(group)),
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

function toDispatchEntries(jobs: readonly NewJob[]): DispatchEntry[] {
  const timestamp = Date.now();
  let [last] = jobs;
  let options = last && toOptions(last, timestamp);
  return jobs.map((job) => {
    if (last === undefined || options === undefined || !haveSameOptions(last, job)) {
      options = toOptions(job, timestamp);
    }
    last = job;
    return { bullId: bullId(job.id, 0), type: job.type, data: job.data, options };
  });
}

function toOptions(job: NewJob, timestamp: number): DispatchOptions {
  const options = toDispatchOptions(job, timestamp);
  if (job.trace !== null) options.traceparent = job.trace;
  return options;
}

/** A cheap comparison by reference: equal options in different objects count as different. */
function haveSameOptions(one: NewJob, other: NewJob): boolean {
  return (
    one.options === other.options &&
    one.tenant === other.tenant &&
    one.trace === other.trace &&
    one.runAt === other.runAt &&
    one.expiresAt === other.expiresAt
  );
}
