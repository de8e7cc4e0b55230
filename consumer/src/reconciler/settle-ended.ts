import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { bullId } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/remove";
import type { Settler } from "../worker/settle.ts";
import type { FinishEvent } from "./finish-events.ts";
import { type Ending, type EndingSources, readEnding } from "./read-ended.ts";

/** A job that is pending in the ledger and finished in Redis. */
export interface FinishedJob extends Pick<JobColumns, "id" | "generation" | "type"> {
  /** Source of the outcome when the hash is gone. */
  event?: FinishEvent | undefined;
}

export interface Endings {
  /**
   * Settles jobs with their outcome in Redis, then removes them from Redis.
   * @returns number of settled jobs, without jobs that had already ended or were re-opened
   */
  settle(queue: string, jobs: readonly FinishedJob[]): Promise<number>;
}

export interface EndingsDeps extends EndingSources {
  prefix: string;
  remove: Remove;
  settler: Pick<Settler, "settle">;
}

/** Limits memory: the hashes contain results of any size. */
const maxReadAtOnce = 50;

export function createEndings(deps: EndingsDeps): Endings {
  const { prefix, remove, settler } = deps;
  async function end(job: FinishedJob, ending: Ending | undefined): Promise<number> {
    if (ending === undefined) return 0;
    const error = ending.error && JSON.stringify(ending.error);
    const { status } = await settler.settle({
      ...ending,
      error,
      id: job.id,
      generation: job.generation,
    });
    return status === "already-settled" ? 0 : 1;
  }

  async function settleOne(queue: string, job: FinishedJob) {
    const { id, generation, type, event } = job;
    return end(
      job,
      await readEnding(deps, { prefix, queue, bullId: bullId(id, generation), type, event }),
    );
  }

  return {
    async settle(queue, jobs) {
      let settled = 0;
      for (let start = 0; start < jobs.length; start += maxReadAtOnce) {
        const some = jobs.slice(start, start + maxReadAtOnce);
        settled += sum(await Promise.all(some.map((job) => settleOne(queue, job))));
        const ids = some.map(({ id, generation }) => bullId(id, generation));
        await remove(queue, ids, "settled");
      }
      return settled;
    },
  };
}

function sum(numbers: readonly number[]) {
  return numbers.reduce((total, number) => total + number, 0);
}
