import type { JobColumns } from "../../postgres/tables.ts";
import type { Sql } from "postgres";
import { bullId } from "../../redis/names.ts";
import { toDispatchOptions } from "../../redis/scripts/options.ts";
import type { Dispatch, DispatchEntry } from "../../redis/scripts/dispatch.ts";
import type { Remove } from "../../redis/scripts/remove.ts";
import type { Ledger } from "../../postgres/pool.ts";
import { createRecordUndispatched } from "../enqueue/undispatched-ledger.ts";
import type { RetriedJob } from "./retry.ts";

export interface DispatchGenerationsDeps {
  ledger: Pick<Ledger, "run">;
  /** Resolves to false, or rejects, if the jobs were not dispatched. */
  dispatch(...call: Parameters<Dispatch>): Promise<unknown>;
  remove(...call: Parameters<Remove>): Promise<unknown>;
}

/**
 * Dispatches retried generations to BullMQ and removes the dead ones before them. Rejects with errors of the stores.
 */
export type DispatchGenerations = (jobs: readonly RetriedJob[]) => Promise<void>;

/** Bounds the memory of one query: a job's data may take a megabyte. */
const batchSize = 16;

/** Creates the function that dispatches retried jobs. */
export function createDispatchGenerations({
  ledger,
  dispatch,
  remove,
}: DispatchGenerationsDeps): DispatchGenerations {
  const recordUndispatched = createRecordUndispatched(ledger);

  async function dispatchBatch(batch: readonly RetriedJob[]) {
    const rows = await ledger.run((sql) => readGenerations(sql, batch));
    for (const [queue, group] of Map.groupBy(rows, (row) => row.queue)) {
      const isDispatched = await dispatch(queue, group.map(toDispatchEntry));
      if (isDispatched === false) await recordUndispatched(group);
    }
  }

  return async (jobs) => {
    for (let start = 0; start < jobs.length; start += batchSize) {
      try {
        await dispatchBatch(jobs.slice(start, start + batchSize));
      } catch (error) {
        await recordUndispatched(jobs.slice(start));
        throw error;
      }
    }
    const dead = jobs.filter((job) => job.previousStatus === "dead");
    for (const [queue, group] of Map.groupBy(dead, (job) => job.queue)) {
      await remove(
        queue,
        group.map(({ id, generation }) => bullId(id, generation - 1)),
        "any",
      );
    }
  };
}

type GenerationRow = Pick<
  JobColumns,
  "id" | "generation" | "queue" | "type" | "tenant" | "options" | "runAt" | "expiresAt" | "trace"
> & {
  /** JSON text. */
  data: string;
};

async function readGenerations(sql: Sql, jobs: readonly RetriedJob[]): Promise<GenerationRow[]> {
  const rows = await sql<GenerationRow[]>`
    select id, generation, queue, type, tenant, data::text as data, options, run_at as "runAt",
           expires_at as "expiresAt", trace
    from jobs where id = any(${jobs.map(({ id }) => id)}::uuid[]) and status = 'pending' and waiting_children is not true`;
  const generations = new Map(jobs.map(({ id, generation }) => [id, generation]));
  return rows.filter(({ id, generation }) => generations.get(id) === generation);
}

function toDispatchEntry(row: GenerationRow): DispatchEntry {
  const options = toDispatchOptions(row, Date.now());
  if (row.trace !== null) options.traceparent = row.trace;
  return { bullId: bullId(row.id, row.generation), type: row.type, data: row.data, options };
}
