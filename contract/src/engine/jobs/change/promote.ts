import type { ISql } from "postgres";
import type { Move, Moved } from "../../redis/scripts/move.ts";
import { bullId } from "../../redis/names.ts";
import type { CancelledJob } from "./cancel.ts";

export type Promoted = "promoted" | "not-delayed" | "active";

/**
 * Makes delayed jobs due now, including jobs that wait for a retry: in the ledger, then in Redis. Call it in a
 * transaction, which locks the rows. Returns no outcome for jobs that are not pending. Rejects with Redis errors.
 */
export async function promoteJobs(
  sql: ISql,
  ids: readonly string[],
  move: Move,
): Promise<Map<string, Promoted>> {
  const rows = await sql<(CancelledJob & { isEarly: boolean })[]>`
    select id, generation, queue, coalesce(run_at > now(), false) as "isEarly" from jobs
    where id = any(${[...ids]}::uuid[]) and status = 'pending' order by id for update`;
  const early = rows.filter((row) => row.isEarly).map(({ id }) => id);
  if (early.length > 0) {
    await sql`update jobs set run_at = null where id = any(${early}::uuid[]) and status = 'pending'`;
  }
  const outcomes = new Map<string, Promoted>();
  for (const [queue, group] of Map.groupBy(rows, (row) => row.queue)) {
    const movements = group.map(({ id, generation }) => ({
      bullId: bullId(id, generation),
      due: "now" as const,
    }));
    const states = await move(queue, movements);
    for (const [at, row] of group.entries())
      outcomes.set(row.id, toOutcome(states[at], row.isEarly));
  }
  return outcomes;
}

/** A job that is not in Redis yet will be dispatched without a delay. */
function toOutcome(state: Moved | undefined, isEarly: boolean): Promoted {
  if (state === "active") return "active";
  return state === "moved" || isEarly ? "promoted" : "not-delayed";
}
