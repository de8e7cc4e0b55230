import type { Sql } from "postgres";
import { createTurns, NoTurn } from "../turns.ts";
import { isTransient, LedgerTimeout } from "./errors.ts";

export interface RunOptions {
  /** The deadline, counted from the call: it includes the wait for a connection. */
  timeoutMs?: number;
  /** On whose behalf: tenants that wait for a connection take turns. */
  tenant?: string;
}

export interface Ledger {
  /** Runs statements on a connection of their own; throws `LedgerTimeout` when they take longer than the limit. */
  run<Result>(work: (sql: Sql) => Promise<Result>, options?: RunOptions): Promise<Result>;
  /** As `run`, again and again while the failure is transient; nothing runs past `deadline` (performance.now()). */
  repeat<Result>(work: (sql: Sql) => Promise<Result>, deadline: number): Promise<Result>;
  close(): Promise<void>;
}

export interface LedgerSettings {
  /** Longer than `statement_timeout`: Postgres cancels a late statement, and its connection is kept. */
  timeoutMs: number;
  connections?: number;
  /** How many connections one tenant uses at the same time. */
  connectionsPerTenant?: number;
  /** How many calls of one tenant may wait for a connection. */
  maxWaitingPerTenant?: number;
}

/**
 * A pool of connections. Work has its connection for itself, so that no statement queues behind another's on the wire.
 * A connection that gives no answer, not even that its statement was cancelled, is destroyed and replaced alone.
 * @param open makes a postgres.js client of one connection
 */
export function createLedger(open: () => Sql, settings: LedgerSettings): Ledger {
  const { connections = 1, connectionsPerTenant, maxWaitingPerTenant } = settings;
  const turns = createTurns({
    slots: connections,
    ...(connectionsPerTenant !== undefined && { slotsPerLane: connectionsPerTenant }),
    ...(maxWaitingPerTenant !== undefined && { maxWaitingPerLane: maxWaitingPerTenant }),
  });
  const clients = new Set<Sql>();
  /** The last one used is taken first: it is the least likely to have been closed for idleness. */
  let idle: Sql[] = [];
  // Work that would be cut off at once is not begun: running out of time costs a connection.
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
      // Where one connection gives no answer, those that nobody uses are likely to be dead as well.
      for (const other of idle.splice(0)) destroy(other);
      endTurn();
    }, deadline - performance.now());
    try {
      return await Promise.race([work(client), late]);
    } finally {
      clearTimeout(timer);
      if (!isLate) {
        idle.push(client);
        endTurn();
      }
    }
  }

  async function repeat<Result>(
    work: (client: Sql) => Promise<Result>,
    deadline: number,
  ): Promise<Result> {
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const leftMs = deadline - performance.now();
      if (leftMs < leastMs) throw new LedgerTimeout(settings.timeoutMs);
      try {
        // No longer than the callers wait: what they were told is unknown must not be stored much later.
        return await run(work, { timeoutMs: Math.min(settings.timeoutMs, leftMs) });
      } catch (error) {
        if (!isTransient(error) || performance.now() + pauseMs >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  return {
    run,
    repeat,
    async close() {
      turns.close();
      idle = [];
      // Bounded, because postgres.js waits in vain for a connection that broke off in the middle of a query.
      await Promise.all([...clients].map((client) => client.end({ timeout: 1 })));
    },
  };
}
