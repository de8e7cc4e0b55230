import { bullId } from "@toril/contract/engine/redis/names";
import type { InspectJobs, RedisPlace } from "./inspect-jobs.ts";
import type { PendingJob } from "./pending.ts";

/** Jobs that Redis does not have, and those that ended there; both in the order of ids. */
interface Findings {
  missing: PendingJob[];
  finished: PendingJob[];
}

/** One pass over what is pending. */
export interface OrphanScan {
  /** @param jobs of one queue, in the order of ids */
  find(queue: string, jobs: readonly PendingJob[]): Promise<Findings>;
  /** Only a search that came to its end is one of the two in which a job must be nowhere. */
  end(): void;
}

export interface OrphanDetector {
  begin(): OrphanScan;
}

/** How many of the oldest jobs of a queue are looked for in its lists: what hangs becomes the oldest. */
const maxListed = 100;

/** A job that stands nowhere in two searches in a row is deleted from Redis, and is missing then. */
export function createOrphanDetector(look: InspectJobs): OrphanDetector {
  let suspects: ReadonlySet<string> = new Set();

  return {
    begin() {
      const found = new Set<string>();
      const listedLeft = new Map<string, number>();

      async function lookAt(queue: string, jobs: readonly PendingJob[]) {
        const left = listedLeft.get(queue) ?? maxListed;
        const suspected = jobs.filter((job) => suspects.has(idOf(job)));
        const due = jobs.filter((job) => job.isDue && !suspects.has(idOf(job))).slice(0, left);
        const close = new Set([...suspected, ...due]);
        const sorted = [...close, ...jobs.filter((job) => !close.has(job))];
        const states = await look.at(queue, sorted.map(idOf), close.size);
        listedLeft.set(queue, left - states.slice(0, close.size).filter(isLookedFor).length);
        return new Map(sorted.map((job, index) => [job, states[index]]));
      }

      return {
        async find(queue, jobs) {
          const states = await lookAt(queue, jobs);
          const nowhere = jobs.filter((job) => states.get(job) === "orphaned");
          const again = nowhere.filter((job) => suspects.has(idOf(job)));
          for (const job of nowhere) if (!suspects.has(idOf(job))) found.add(idOf(job));
          const isRemoved =
            again.length > 0 ? await look.removeNowhere(queue, again.map(idOf)) : [];
          const removed = new Set(again.filter((_, index) => isRemoved[index]));
          return {
            missing: jobs.filter((job) => states.get(job) === "missing" || removed.has(job)),
            finished: jobs.filter((job) => isFinished(states.get(job))),
          };
        },
        end() {
          suspects = found;
        },
      };
    },
  };
}

function idOf({ id, run }: PendingJob) {
  return bullId(id, run);
}

/** Neither a lock nor a score told where it is. */
function isLookedFor(state: RedisPlace) {
  return state === "listed" || state === "orphaned" || state === "present";
}

function isFinished(state: RedisPlace | undefined) {
  return state === "completed" || state === "failed";
}
