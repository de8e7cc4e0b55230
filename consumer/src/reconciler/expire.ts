import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { bullId } from "@toril/contract/engine/redis/names";
import type { Remove } from "@toril/contract/engine/redis/scripts/remove";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import { repeatUntilAborted } from "../repeat.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";
import { expiredSettlement } from "@toril/contract/engine/jobs/attempt/outcome";
import type { Leadership } from "./leadership.ts";

export interface ExpiryDeps {
  leadership: Leadership;
  remove: Remove;
  settler: Pick<Settler, "settle">;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

type Overdue = Pick<JobColumns, "id" | "generation" | "queue">;

const pageSize = 500;

/** Expires pending jobs that did not start before their deadline, while this process is the leader. */
export async function runExpiry(deps: ExpiryDeps): Promise<void> {
  const { leadership, remove, settler, everyMs = 1000, log } = deps;
  const { signal } = leadership;

  /** Removes from Redis first: a job that a worker has taken meanwhile started in time. */
  async function expire(queue: string, jobs: readonly Overdue[]) {
    const ids = jobs.map(({ id, generation }) => bullId(id, generation));
    const states = await remove(queue, ids, "unstarted");
    const removed = jobs.filter((_, at) => states[at] === "removed" || states[at] === "missing");
    await Promise.all(
      removed.map(({ id, generation }) => settler.settle({ id, generation, ...expiredSettlement })),
    );
  }

  async function expireAll() {
    let isFull = true;
    for (let after = beginning; isFull && !signal.aborted;) {
      const page = await leadership.run((sql) => readOverdue(sql, after));
      for (const [queue, jobs] of Map.groupBy(page, (job) => job.queue)) await expire(queue, jobs);
      const last = page.at(-1);
      if (last !== undefined) after = last;
      isFull = page.length === pageSize;
    }
  }

  await repeatUntilAborted(
    { signal, everyMs, log, failureMessage: "failed to expire jobs" },
    expireAll,
  );
}

const beginning = { expiresAt: new Date(0), id: lowestId };

type OverdueRow = Overdue & { expiresAt: NonNullable<JobColumns["expiresAt"]> };

/**
 * Reads a page of jobs whose deadline has passed. A started job stays pending; the cursor passes over that job. Without a
 * sort only the index of deadlines serves: by statistics of a ledger without pending jobs, the planner would choose
 * another index and filter and sort all pending rows.
 */
function readOverdue(sql: Sql, after: { expiresAt: Date; id: string }): Promise<OverdueRow[]> {
  return sql.begin(async (tx) => {
    await tx`set local enable_sort = off`;
    return tx<OverdueRow[]>`
      select id, generation, queue, expires_at as "expiresAt" from jobs
      where status = 'pending' and expires_at is not null and expires_at <= now()
        and (expires_at, id) > (${after.expiresAt}, ${after.id})
      order by expires_at, id limit ${pageSize}`;
  });
}
