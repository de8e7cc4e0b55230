import type { ISql } from "postgres";
import type { Settlement } from "./ledger-settle.ts";

/** The attempt during which a job was cancelled. */
export type CancelledAttempt = Pick<
  Settlement,
  "id" | "generation" | "attempts" | "startedAt" | "durationMs" | "worker" | "failures" | "log"
>;

/** Adds the attempt to cancelled jobs: the client that cancels a job does not know the attempt. Changes no status. */
export async function recordCancelled(
  sql: ISql,
  entries: readonly CancelledAttempt[],
): Promise<void> {
  const ids = entries.map((entry) => entry.id);
  await sql`
    update jobs set attempts = s.attempts, started_at = s.started_at, duration_ms = s.duration_ms, worker = s.worker,
      failures = s.failures, log = s.log
    from unnest(
      ${ids}::uuid[], ${entries.map((entry) => entry.generation)}::int[], ${entries.map((entry) => entry.attempts)}::int[],
      ${entries.map(toStartedAt)}::timestamptz[], ${entries.map((entry) => entry.durationMs ?? null)}::int[],
      ${entries.map((entry) => entry.worker ?? null)}::text[],
      ${entries.map((entry) => entry.failures ?? null)}::text[]::jsonb[],
      ${entries.map((entry) => entry.log ?? null)}::text[]::jsonb[]
    ) as s (id, generation, attempts, started_at, duration_ms, worker, failures, log)
    where jobs.id = any(${ids}::uuid[]) and jobs.id = s.id and jobs.generation = s.generation and jobs.status = 'cancelled'
      and jobs.started_at is null`;
}

function toStartedAt({ startedAt }: Pick<Settlement, "startedAt">) {
  return startedAt?.toISOString() ?? null;
}
