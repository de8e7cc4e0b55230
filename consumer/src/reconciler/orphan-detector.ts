import { bullId } from "@toril/contract/engine/redis/names";
import type { InspectJobs, RedisPlace } from "./inspect-jobs.ts";
import type { PendingJob } from "./pending.ts";

/** Jobs that are missing or finished in Redis, both in id order. */
interface Findings {
  missing: PendingJob[];
  finished: PendingJob[];
}

/** One pass over all pending jobs. */
export interface OrphanScan {
  /** @param jobs of one queue, in id order */
  find(queue: string, jobs: readonly PendingJob[]): Promise<Findings>;
  /** Call only after a complete pass: a job must be orphaned in two complete passes in a row. */
  end(): void;
}

export interface OrphanDetector {
  begin(): OrphanScan;
}

/** Maximum number of the oldest jobs per queue to search for in the lists: a stuck job becomes one of the oldest. */
const maxListed = 100;

/** Deletes a job that is orphaned in two passes in a row from Redis and reports the job as missing. */
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

function idOf({ id, generation }: PendingJob) {
  return bullId(id, generation);
}

/** Whether the job has neither a lock nor a score, so that it counts towards `maxListed`. */
function isLookedFor(state: RedisPlace) {
  return state === "listed" || state === "orphaned" || state === "present";
}

function isFinished(state: RedisPlace | undefined) {
  return state === "completed" || state === "failed";
}
