import { bullId } from "../dispatch/names.ts";
import { toPlaceOptions } from "../dispatch/options.ts";
import type { Placement } from "../dispatch/place.ts";
import type { Breaker } from "./breaker.ts";
import { BatchRefused } from "../batch.ts";
import type { NewJob } from "./new-job.ts";

export interface Dispatcher {
  /** Throws `BatchRefused` when as many jobs as allowed already wait for Redis to come back. */
  reserve(): void;
  /** Hands recorded jobs to BullMQ; per job whether it stands in Redis now. What does not is the reconciler's. */
  dispatch(jobs: readonly NewJob[]): Promise<ReadonlySet<NewJob>>;
  readonly unplaced: number;
  readonly isAway: boolean;
}

export interface DispatcherDeps {
  place(queue: string, jobs: readonly Placement[]): Promise<unknown>;
  breaker: Breaker;
  /** How many jobs may be recorded while Redis is away. */
  maxUnplaced: number;
}

export function createDispatcher({ place, breaker, maxUnplaced }: DispatcherDeps): Dispatcher {
  let unplaced = 0;

  function current() {
    if (!breaker.isOpen) unplaced = 0;
    return unplaced;
  }

  return {
    reserve() {
      if (current() >= maxUnplaced) throw new BatchRefused("full");
    },
    async dispatch(jobs) {
      const placed = new Set<NewJob>();
      const groups = [...groupByQueue(jobs)];
      await Promise.all(
        groups.map(async ([queue, group]) => {
          const isPlaced = await breaker.attempt(() => place(queue, toPlacements(group)));
          if (isPlaced) for (const job of group) placed.add(job);
          else unplaced = current() + group.length;
        }),
      );
      return placed;
    },
    get unplaced() {
      return current();
    },
    get isAway() {
      return breaker.isOpen;
    },
  };
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

function toPlacements(jobs: readonly NewJob[]): Placement[] {
  const timestamp = Date.now();
  return jobs.map((job) => {
    const options = toPlaceOptions(job, timestamp);
    if (job.trace !== null) options.traceparent = job.trace;
    return { bullId: bullId(job.id, 0), type: job.type, data: job.data, options };
  });
}
