import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { decodeAbort } from "@toril/contract/engine/redis/abort";
import { abortChannel, parseBullId } from "@toril/contract/engine/redis/names";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { type ActiveJob, type ActiveJobs, CancelledError } from "./active-jobs.ts";
import { repeatUntilAborted } from "../repeat.ts";

export interface AbortListenerDeps {
  /** Dedicated connection: a subscribed connection accepts no other commands. */
  redis: Redis | Cluster;
  prefix: string;
  ledger: Pick<Ledger, "run">;
  activeJobs: Pick<ActiveJobs, "abort" | "getLongRunning">;
  everyMs?: number;
  log: Pick<Logger, "warn">;
}

/**
 * Aborts attempts of jobs that have ended in the ledger. Pub/Sub aborts at once but may lose messages, so the ledger is
 * polled for longer attempts.
 */
export function listenForAborts(deps: AbortListenerDeps): AsyncDisposable {
  const { redis, prefix, ledger, activeJobs, everyMs = 500, log } = deps;
  const stop = new AbortController();

  redis.on("message", (_, message: string) => {
    for (const bullId of decodeAbort(message)) activeJobs.abort(bullId, new CancelledError());
  });
  redis.subscribe(abortChannel(prefix)).catch((error: unknown) => {
    if (!stop.signal.aborted) log.warn({ err: error }, "failed to subscribe to job cancellations");
  });

  async function abortEnded(jobs: readonly ActiveJob[]) {
    const targets = jobs.flatMap((job) => parseBullId(job.bullId) ?? []);
    if (targets.length === 0) return;
    const rows = await ledger.run(
      (sql) => sql<Pick<JobColumns, "id" | "generation" | "status">[]>`
        select id, generation, status from jobs where id = any(${targets.map(({ id }) => id)}::uuid[])`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const job of jobs) {
      const target = parseBullId(job.bullId);
      const row = target && byId.get(target.id);
      const hasEnded = row && (row.status !== "pending" || row.generation !== target.generation);
      if (hasEnded) job.abort(new CancelledError());
    }
  }

  const failureMessage = "failed to check active jobs for cancellation";
  const polling = repeatUntilAborted({ signal: stop.signal, everyMs, log, failureMessage }, () =>
    abortEnded(activeJobs.getLongRunning()),
  );
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await polling;
    },
  };
}
