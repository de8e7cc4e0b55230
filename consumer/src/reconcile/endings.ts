import { bullId } from "@toril/contract/dispatch/names";
import type { Redis } from "ioredis";
import type { Settle } from "../settle/settle.ts";
import type { PendingJob } from "./pending.ts";
import { type Ending, readEnding } from "./read-ending.ts";

export interface Endings {
  /**
   * Ends jobs as Redis says that they ended.
   * @returns how many it ended: not those that had ended or were made pending anew
   */
  settle(queue: string, jobs: readonly PendingJob[]): Promise<number>;
}

export interface EndingsDeps {
  redis: Pick<Redis, "hmget">;
  prefix: string;
  settle: Pick<Settle, "submit">;
}

/** Hashes with results of any size. */
const maxReadAtOnce = 50;

export function createEndings({ redis, prefix, settle }: EndingsDeps): Endings {
  async function end(job: PendingJob, ending: Ending | undefined): Promise<number> {
    if (ending === undefined) return 0;
    const error = ending.error && JSON.stringify(ending.error);
    const { status } = await settle.submit({ ...ending, error, id: job.id, run: job.run });
    return status === "stood" ? 0 : 1;
  }

  async function settleOne(queue: string, job: PendingJob) {
    return end(job, await readEnding(redis, { prefix, queue, bullId: bullId(job.id, job.run) }));
  }

  return {
    async settle(queue, jobs) {
      let settled = 0;
      for (let start = 0; start < jobs.length; start += maxReadAtOnce) {
        const some = jobs.slice(start, start + maxReadAtOnce);
        settled += sum(await Promise.all(some.map((job) => settleOne(queue, job))));
      }
      return settled;
    },
  };
}

function sum(numbers: readonly number[]) {
  return numbers.reduce((total, number) => total + number, 0);
}
