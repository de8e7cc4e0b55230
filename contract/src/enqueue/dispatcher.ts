import type { Placement, PlaceOptions } from "../dispatch/place.ts";
import { bullId } from "../dispatch/names.ts";
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
      await Promise.all(
        Map.groupBy(jobs, (job) => job.queue)
          .entries()
          .map(async ([queue, group]) => {
            const isPlaced = await breaker.attempt(() => place(queue, group.map(toPlacement)));
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

function toPlacement(job: NewJob): Placement {
  const options: PlaceOptions = { ...job.options, timestamp: Date.now() };
  if (job.runAt !== null) {
    options.delayMs = Math.max(0, job.runAt.getTime() - options.timestamp);
  }
  if (job.trace !== null) options.traceparent = job.trace;
  return { bullId: bullId(job.id, 0), type: job.type, data: job.data, options };
}
