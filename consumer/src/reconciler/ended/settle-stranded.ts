import type { JobError } from "@toril/contract/api/jobs/job";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";
import {
  findStrandedJobs,
  type StrandedJob,
} from "@toril/contract/engine/job-types/job-type-ledger";
import { bullId } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { Logger } from "pino";
import { repeatUntilAborted } from "../../repeat.ts";
import type { Leadership } from "../leadership.ts";

export interface SettleStrandedDeps {
  remove: Remove;
  settler: Pick<Settler, "settle">;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

/**
 * Settles pending jobs that no worker looks for, while this process is the leader: their registered type was deleted or
 * has another queue now, and a producer accepted them before it knew. An active job is left to its worker.
 */
export function createSettleStranded({ remove, settler, everyMs = 2000, log }: SettleStrandedDeps) {
  async function settle(queue: string, jobs: readonly StrandedJob[]) {
    const ids = jobs.map(({ id, generation }) => bullId(id, generation));
    const states = await remove(queue, ids, "ended");
    const removed = jobs.filter((_, at) => states[at] === "removed" || states[at] === "missing");
    await Promise.all(
      removed.map(({ id, generation, isDeleted }) =>
        settler.settle({
          id,
          generation,
          status: "dead",
          attempts: 0,
          result: null,
          error: JSON.stringify(toError(isDeleted)),
        }),
      ),
    );
  }

  return ({ run, signal }: Leadership): Promise<void> => {
    const failureMessage = "failed to settle jobs whose type was deleted or moved";
    return repeatUntilAborted({ signal, everyMs, log, failureMessage }, async () => {
      const stranded = await run(findStrandedJobs);
      for (const [queue, jobs] of Map.groupBy(stranded, (job) => job.queue)) {
        await settle(queue, jobs);
      }
    });
  };
}

function toError(isDeleted: boolean): JobError {
  return isDeleted
    ? { name: "JobTypeDeleted", message: "The job type was deleted." }
    : { name: "QueueChanged", message: "The job type has another queue now: redrive the job." };
}
