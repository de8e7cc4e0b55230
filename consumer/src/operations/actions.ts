import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { deleteDead } from "@toril/contract/engine/jobs/change/delete";
import type { DispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { promoteJobs } from "@toril/contract/engine/jobs/change/promote";
import { retryJobs } from "@toril/contract/engine/jobs/change/retry";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { Move } from "@toril/contract/engine/redis/move";
import type { JobStatus } from "@toril/contract/api/job";
import type { OperationAction } from "@toril/contract/api/operation";
import type { ISql } from "postgres";

export interface Applied {
  changed: number;
  /** Not changed, although they are as the operation wants them. */
  failed: number;
  /** What Redis has to know when it is committed. */
  follow?(): Promise<void>;
}

/** Does it to jobs that have this status, in the transaction that it is given. */
type Action = (
  sql: ISql,
  ids: readonly string[],
  of: { status: JobStatus; quotaKey: string | null },
) => Promise<Applied>;

export interface ActionDeps {
  withdraw: RemoveFromRedis;
  placeRuns: DispatchGenerations;
  move: Move;
}

export function createActions(deps: ActionDeps): Record<OperationAction, Action> {
  const { withdraw, placeRuns, move } = deps;
  return {
    async cancel(sql, ids) {
      const runs = await cancelJobs(
        sql,
        ids.map((id) => ({ id })),
      );
      return { changed: runs.length, failed: 0, follow: () => withdraw(runs) };
    },
    async retry(sql, ids, { status, quotaKey }) {
      const statuses = status === "pending" ? [] : [status];
      const runs = await retryJobs(sql, ids, { statuses, quotaKey });
      return {
        changed: runs.length,
        failed: ids.length - runs.length,
        follow: () => placeRuns(runs),
      };
    },
    async promote(sql, ids) {
      const outcomes = await promoteJobs(sql, ids, move);
      const promoted = [...outcomes.values()].filter((outcome) => outcome === "promoted");
      return { changed: promoted.length, failed: 0 };
    },
    async delete(sql, ids) {
      const runs = await deleteDead(sql, ids);
      return { changed: runs.length, failed: 0, follow: () => withdraw(runs) };
    },
  };
}
