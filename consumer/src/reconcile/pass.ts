import type { Logger } from "pino";
import { pause } from "../pause.ts";
import type { Endings } from "./endings.ts";
import type { Leadership } from "./leadership.ts";
import { firstId, type PendingJob, readPending } from "./pending.ts";
import type { PlaceAgain } from "./place-again.ts";
import type { Search, Searches } from "./search.ts";

export interface PassCounts {
  /** Pending jobs that were looked at. */
  seen: number;
  placed: number;
  /** Missing in Redis, which is nearly full. */
  heldBack: number;
  /** Had ended in Redis. */
  settled: number;
}

export interface PassDeps {
  leadership: Leadership;
  searches: Searches;
  endings: Endings;
  placeAgain: PlaceAgain;
  /** By Postgres' clock; a younger job may be on its way to Redis. */
  graceMs: number;
  pageSize: number;
  log: Pick<Logger, "error">;
}

/** Puts right what Redis says otherwise than the ledger, about all that is pending. Ends early with the leadership. */
export function createPass(deps: PassDeps): () => Promise<PassCounts> {
  const { leadership, searches, endings, placeAgain, graceMs, pageSize, log } = deps;
  const { signal } = leadership;

  async function reconcile(search: Search, queue: string, jobs: readonly PendingJob[]) {
    const { missing, finished } = await search.find(queue, jobs);
    const settled = await endings.settle(queue, finished);
    return { seen: jobs.length, settled, ...(await placeAgain(queue, missing)) };
  }

  return async () => {
    const search = searches.begin();
    const refusing = new Set<string>();
    const counts: PassCounts = { seen: 0, placed: 0, heldBack: 0, settled: 0 };

    async function reconcilePage(page: readonly PendingJob[]) {
      for (const [queue, jobs] of Map.groupBy(page, (job) => job.queue)) {
        if (signal.aborted) return;
        try {
          add(counts, await reconcile(search, queue, jobs));
        } catch (error) {
          if (!isRefusal(error)) throw error;
          if (!refusing.has(queue)) log.error({ err: error, queue }, "Redis refused to reconcile");
          refusing.add(queue);
        }
      }
    }

    for (let after = firstId; !signal.aborted;) {
      const startedAt = performance.now();
      const query = { after, graceMs, size: pageSize };
      const page = await leadership.run((sql) => readPending(sql, query));
      await reconcilePage(page);
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) {
        search.end();
        break;
      }
      after = last.id;
      // Half of the time at most: a million pending rows must not slow down those who do the jobs.
      await pause(performance.now() - startedAt, signal);
    }
    return counts;
  };
}

function add(counts: PassCounts, more: PassCounts) {
  for (const name of Object.keys(counts) as (keyof PassCounts)[]) counts[name] += more[name];
}

/** Redis answered, with an error: another queue may fare better. */
function isRefusal(error: unknown) {
  return error instanceof Error && error.name === "ReplyError";
}
