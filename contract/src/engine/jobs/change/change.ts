import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql } from "postgres";
import type { Move } from "../../redis/scripts/move.ts";
import { bullId } from "../../redis/names.ts";
import type { JobStatus } from "../../../api/jobs/job-states.ts";
import type { JobOptions } from "../../../api/jobs/job-options.ts";
import { toVersion } from "./version.ts";

/** Undefined fields stay unchanged. */
export interface JobChange {
  /** null: due now. */
  runAt?: Date | null | undefined;
  /** null: no priority. */
  priority?: number | null | undefined;
}

export type Changed =
  | { status: "changed" }
  | { status: "missing" | "active" | "not-found" }
  | { status: "ended"; as: JobStatus };

type Row = Pick<
  JobColumns,
  "generation" | "queue" | "status" | "options" | "runAt" | "expiresAt" | "waitingChildren"
>;

/**
 * Changes the due time and priority of a waiting job, in the ledger, then in Redis. Call it in a transaction, which
 * locks the row; roll back if the outcome is `active` or `not-found`. `check` throws to reject a version. Rejects with
 * Redis errors.
 */
export async function changeJob(
  sql: ISql,
  id: string,
  change: JobChange,
  check: (version: string) => void,
  move: Move,
): Promise<Changed> {
  const [row] = await sql<Row[]>`
    select generation, queue, status, options, run_at as "runAt", expires_at as "expiresAt",
           waiting_children as "waitingChildren"
    from jobs where id = ${id} for update`;
  if (row === undefined) return { status: "missing" };
  check(toVersion(row));
  if (row.status !== "pending") return { status: "ended", as: row.status };
  const options = change.priority === undefined ? row.options : withPriority(row, change.priority);
  const runAt = change.runAt === undefined ? row.runAt : change.runAt;
  await sql`
    update jobs set run_at = ${runAt}, options = ${JSON.stringify(options)}::text::jsonb where id = ${id}`;
  // Not in Redis: it is dispatched with the new values when its children have ended.
  if (row.waitingChildren === true) return { status: "changed" };
  const [state] = await move(row.queue, [
    {
      bullId: bullId(id, row.generation),
      due: change.runAt === null ? "now" : change.runAt,
      priority: change.priority,
    },
  ]);
  if (state === "active" || state === "not-found") return { status: state };
  return { status: "changed" };
}

/** `priority` and `order` are mutually exclusive. */
function withPriority({ options }: Row, priority: number | null): JobOptions {
  const { priority: _, ...rest } = options;
  if (priority === null) return rest;
  const { order: __, ...unordered } = rest;
  return { ...unordered, priority };
}
