import type { Sql } from "postgres";
import { isTransient } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { createTurns, NoTurn } from "@toril/contract/engine/turns";
import { ProblemError } from "../http/problem.ts";

type Read = <Result>(tenant: string, work: (sql: Sql) => Promise<Result>) => Promise<Result>;

/** Reads for requests. Tenants take turns; a read that is refused or late becomes a 503 that the client may retry. */
export interface Reads {
  /** For reads that touch few rows. */
  run: Read;
  /**
   * For reads that may examine thousands of rows: one at a time for a tenant, and at most half of the time, so that they
   * leave the processor to the statements that accept jobs.
   */
  scan: Read;
}

/** Half of the connections: the others stay available for reads of few rows. */
const scanSlots = 2;
const maxWaitingPerTenant = 1000;
/** Scans up to this duration need no pause. */
const shortScanMs = 2;
const maxPauseMs = 100;

/** @param timeoutMs the response deadline */
export function createReads(ledger: Pick<Ledger, "run">, timeoutMs: number): Reads {
  const turns = createTurns({
    slots: scanSlots,
    slotsPerLane: 1,
    maxWaitingPerLane: maxWaitingPerTenant,
  });

  const run: Read = async (tenant, work) => {
    try {
      return await ledger.run(work, { tenant });
    } catch (error) {
      throw isTransient(error) ? toRefusal() : error;
    }
  };

  return {
    run,
    async scan(tenant, work) {
      const endTurn = await turns.take(tenant, timeoutMs / 2).catch((error: unknown) => {
        throw error instanceof NoTurn ? toRefusal() : error;
      });
      const startedAt = performance.now();
      try {
        return await run(tenant, work);
      } finally {
        const tookMs = performance.now() - startedAt;
        if (tookMs <= shortScanMs) endTurn();
        else setTimeout(endTurn, Math.min(tookMs, maxPauseMs));
      }
    },
  };
}

function toRefusal(): ProblemError {
  return new ProblemError(
    "at-capacity",
    "The read took too long, or too many reads were waiting. Try again.",
  );
}
