import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { deleteDead } from "@toril/contract/engine/jobs/change/delete";
import type { DispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { promoteJobs } from "@toril/contract/engine/jobs/change/promote";
import { retryJobs } from "@toril/contract/engine/jobs/change/retry";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { Move } from "@toril/contract/engine/redis/scripts/move";
import type { JobStatus } from "@toril/contract/api/jobs/job-states";
import type { OperationAction } from "@toril/contract/api/operation";
import type { ISql } from "postgres";

export interface ActionResult {
  changed: number;
  /** Jobs that the action should have changed but could not. */
  failed: number;
  /** Updates Redis after the commit. */
  updateRedis?(): Promise<void>;
}

/** Applies the action to jobs with this status, in the given transaction. */
type Action = (
  sql: ISql,
  ids: readonly string[],
  of: { status: JobStatus; quotaKey: string | null },
) => Promise<ActionResult>;

export interface ActionDeps {
  removeFromRedis: RemoveFromRedis;
  dispatchGenerations: DispatchGenerations;
  move: Move;
}

export function createActions(deps: ActionDeps): Record<OperationAction, Action> {
  const { removeFromRedis, dispatchGenerations, move } = deps;
  return {
    async cancel(sql, ids) {
      const jobs = await cancelJobs(
        sql,
        ids.map((id) => ({ id })),
      );
      return { changed: jobs.length, failed: 0, updateRedis: () => removeFromRedis(jobs) };
    },
    async retry(sql, ids, { status, quotaKey }) {
      const statuses = status === "pending" ? [] : [status];
      const jobs = await retryJobs(sql, ids, { statuses, quotaKey });
      return {
        changed: jobs.length,
        failed: ids.length - jobs.length,
        updateRedis: () => dispatchGenerations(jobs),
      };
    },
    async promote(sql, ids) {
      const outcomes = await promoteJobs(sql, ids, move);
      const promoted = [...outcomes.values()].filter((outcome) => outcome === "promoted");
      return { changed: promoted.length, failed: 0 };
    },
    async delete(sql, ids) {
      const jobs = await deleteDead(sql, ids);
      return { changed: jobs.length, failed: 0, updateRedis: () => removeFromRedis(jobs) };
    },
  };
}
