import { bullId } from "@toril/contract/engine/redis/names";
import { toDispatchOptions } from "@toril/contract/engine/redis/options";
import { maxEntriesPerCall, type DispatchEntry } from "@toril/contract/engine/redis/dispatch";
import { JobOptions } from "@toril/contract/api/job";
import { z } from "zod";
import type { Leadership } from "./leadership.ts";
import { type JobToPlace, type PendingJob, readToPlace } from "./pending.ts";

export interface RedispatchDeps {
  leadership: Pick<Leadership, "run">;
  place(queue: string, jobs: readonly DispatchEntry[]): Promise<unknown>;
  /** Whether the Redis that holds the queue has room for more. */
  hasRoom(queue: string): Promise<boolean>;
}

/** What is in memory at once. */
const maxBytes = 4_000_000;

/** A row that another version wrote must not keep its neighbours from being placed. */
const StoredOptions = z
  .object(JobOptions.shape)
  .catch({ attempts: 3, backoff: { type: "exponential", delay: 1000 } });

interface PlacedAgain {
  placed: number;
  /** Redis has no more room. */
  heldBack: number;
}

/** Takes jobs of one queue, in the order of ids. */
export type Redispatch = (queue: string, jobs: readonly PendingJob[]) => Promise<PlacedAgain>;

/** Places jobs that Redis does not have, as often as it loses them. What ended meanwhile is left alone. */
export function createRedispatch({ leadership, place, hasRoom }: RedispatchDeps): Redispatch {
  return async (queue, jobs) => {
    let placed = 0;
    let rest = jobs;
    while (rest.length > 0 && (await hasRoom(queue))) {
      const next = rest.slice(0, maxEntriesPerCall);
      const found = await leadership.run((sql) => readToPlace(sql, next, maxBytes));
      if (found.length > 0) await place(queue, found.map(toPlacement));
      placed += found.length;
      const last = found.at(-1) ?? next.at(-1);
      rest = rest.filter((job) => last !== undefined && job.id > last.id);
    }
    return { placed, heldBack: rest.length };
  };
}

function toPlacement(job: JobToPlace): DispatchEntry {
  const known = { ...job, options: StoredOptions.parse(job.options) };
  return {
    bullId: bullId(job.id, job.run),
    type: job.type,
    data: job.data,
    options: {
      ...toDispatchOptions(known, Date.now()),
      replaced: true,
      ...(job.trace === null ? {} : { traceparent: job.trace }),
    },
  };
}
