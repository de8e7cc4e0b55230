import type { Sql } from "postgres";
import { createTurns, NoTurn } from "../turns.ts";
import { isConnectionError, isTransient, LedgerTimeout } from "./errors.ts";

export interface RunOptions {
  /** Timeout from the call on, including the wait for a connection. */
  timeoutMs?: number;
  /** The tenant on whose behalf the work runs: waiting tenants take turns. */
  tenant?: string;
}

export interface Ledger {
  /** Runs statements on an exclusive connection; throws `LedgerTimeout` on timeout. */
  run<Result>(work: (sql: Sql) => Promise<Result>, options?: RunOptions): Promise<Result>;
  /** Runs work like `run` and retries transient failures until `deadline` (performance.now()). */
  retryUntil<Result>(work: (sql: Sql) => Promise<Result>, deadline: number): Promise<Result>;
  close(): Promise<void>;
}

export interface LedgerSettings {
  /** Must exceed `statement_timeout`, so that Postgres cancels a slow statement and the connection survives. */
  timeoutMs: number;
  connections?: number;
  /** Maximum number of concurrent connections of one tenant. */
  connectionsPerTenant?: number;
  /** Maximum number of a tenant's calls that wait for a connection. */
  maxWaitingPerTenant?: number;
}

/**
 * Creates a connection pool. Work gets an exclusive connection, so that statements never queue behind others on the
 * wire. A connection that does not even confirm a cancelled statement is destroyed and replaced.
 * @param open creates a postgres.js client with one connection
 */
export function createLedger(open: () => Sql, settings: LedgerSettings): Ledger {
  const { connections = 1, connectionsPerTenant, maxWaitingPerTenant } = settings;
  const turns = createTurns({
    slots: connections,
    ...(connectionsPerTenant !== undefined && { slotsPerLane: connectionsPerTenant }),
    ...(maxWaitingPerTenant !== undefined && { maxWaitingPerLane: maxWaitingPerTenant }),
  });
  const clients = new Set<Sql>();
  /** A stack: the last used connection is the least likely to have been closed as idle. */
  let idle: Sql[] = [];
  // Work with too little time left is not started, because a timeout costs a connection.
  const leastMs = settings.timeoutMs / 10;

  function takeClient(): Sql {
    const client = idle.pop() ?? open();
    clients.add(client);
    return client;
  }

  function destroy(client: Sql) {
    clients.delete(client);
    void client.end({ timeout: 0 });
  }

  async function takeTurn(tenant: string, waitMs: number, timeoutMs: number) {
    try {
      return await turns.take(tenant, Math.max(waitMs, 0));
    } catch (error) {
      if (error instanceof NoTurn) throw new LedgerTimeout(timeoutMs, { cause: error });
      throw error;
    }
  }

  async function run<Result>(
    work: (client: Sql) => Promise<Result>,
    { timeoutMs = settings.timeoutMs, tenant = "" }: RunOptions = {},
  ): Promise<Result> {
    const deadline = performance.now() + timeoutMs;
    const endTurn = await takeTurn(tenant, timeoutMs - leastMs, timeoutMs);
    const client = takeClient();
    const { promise: late, reject } = Promise.withResolvers<never>();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new LedgerTimeout(timeoutMs));
      destroy(client);
      // If one connection does not answer, the idle ones are probably dead too.
      for (const other of idle.splice(0)) destroy(other);
      endTurn();
    }, deadline - performance.now());
    let isBroken = false;
    try {
      return await Promise.race([work(client), late]);
    } catch (error) {
      isBroken = isConnectionError(error);
      throw error;
    } finally {
      clearTimeout(timer);
      if (!isLate) {
        // postgres.js starts no further transaction after a connection broke within one.
        if (isBroken) destroy(client);
        else idle.push(client);
        endTurn();
      }
    }
  }

  async function retryUntil<Result>(
    work: (client: Sql) => Promise<Result>,
    deadline: number,
  ): Promise<Result> {
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const leftMs = deadline - performance.now();
      if (leftMs < leastMs) throw new LedgerTimeout(settings.timeoutMs);
      try {
        // Bounded by the deadline: work whose outcome was reported as unknown must not be stored much later.
        return await run(work, { timeoutMs: Math.min(settings.timeoutMs, leftMs) });
      } catch (error) {
        if (!isTransient(error) || performance.now() + pauseMs >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  return {
    run,
    retryUntil,
    async close() {
      turns.close();
      idle = [];
      // Bounded, because postgres.js waits forever for a connection that broke during a query.
      await Promise.all([...clients].map((client) => client.end({ timeout: 1 })));
    },
  };
}
