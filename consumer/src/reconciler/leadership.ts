import { LedgerTimeout } from "@toril/contract/engine/postgres/errors";
import { createLedger } from "@toril/contract/engine/postgres/pool";
import type { Sql } from "postgres";
import { sleep } from "../wait.ts";

/** Required options of a leader's connection. */
export interface LeaderConnection {
  max: 1;
  max_lifetime: null;
  onclose(): void;
}

export interface LeadershipDeps {
  /** Opens a postgres.js client that only the leader uses. */
  open(connection: LeaderConnection): Sql;
  /** Interval between attempts to become the leader. */
  electEveryMs: number;
  /** Time without a statement after which Postgres ends the leader's session and frees the lock. */
  sessionMs: number;
  stop: AbortSignal;
}

export interface Leadership {
  /** Aborted when the lock is lost or `stop` is aborted. */
  signal: AbortSignal;
  /**
   * Runs statements on the connection that holds the lock, with planner settings that make paged reads use an index.
   * Throws when the connection is lost, which ends the leadership.
   */
  run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

/** Advisory lock of the leader; the number is arbitrary but must stay the same in all versions. */
const leaderLockId = 7_413_002;

const statementTimeoutMs = 10_000;

/**
 * Waits for the leader lock, then runs `lead`. At most one process leads at a time, except for the moment before a
 * leader notices that its connection is lost.
 */
export async function leadOnce(
  { open, electEveryMs, sessionMs, stop }: LeadershipDeps,
  lead: (leadership: Leadership) => Promise<void>,
): Promise<void> {
  const lost = new AbortController();
  const markLost = () => lost.abort();
  const connection = createLedger(() => open({ max: 1, max_lifetime: null, onclose: markLost }), {
    timeoutMs: statementTimeoutMs,
  });

  async function run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    // A reconnected client has a new session, which does not hold the lock.
    lost.signal.throwIfAborted();
    try {
      return await connection.run(work);
    } catch (error) {
      if (error instanceof LedgerTimeout) markLost();
      throw error;
    }
  }

  /** A frozen or blocked process sends no keep-alive and loses its session by Postgres' clock. */
  async function keepAlive() {
    while (!lost.signal.aborted) {
      await sleep(sessionMs / 4, lost.signal);
      await run((sql) => sql`select 1`).catch(markLost);
    }
  }

  stop.addEventListener("abort", markLost);
  if (stop.aborted) markLost();
  try {
    while (!lost.signal.aborted) {
      if (await run((sql) => tryLock(sql, sessionMs))) {
        void keepAlive();
        return await lead({ signal: lost.signal, run });
      }
      await sleep(electEveryMs, lost.signal);
    }
  } finally {
    stop.removeEventListener("abort", markLost);
    await connection.close();
  }
}

/**
 * A dead host (keepalives) or a frozen process, whose kernel still answers keepalives, must not keep the lock: a frozen
 * process has an idle session or unread replies (tcp_user_timeout). The planner settings are needed because statistics
 * of a small ledger would make each page read and sort all pending rows.
 */
async function tryLock(sql: Sql, sessionMs: number): Promise<boolean> {
  const sessionTimeout = String(sessionMs);
  const [row] = await sql<{ isHeld: boolean }[]>`
    select set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
           set_config('tcp_keepalives_count', '2', false), set_config('tcp_user_timeout', ${sessionTimeout}, false),
           set_config('idle_session_timeout', ${sessionTimeout}, false),
           set_config('idle_in_transaction_session_timeout', ${sessionTimeout}, false), set_config('jit', 'off', false),
           set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
           pg_try_advisory_lock(${leaderLockId}) as "isHeld"`;
  return row?.isHeld ?? false;
}
