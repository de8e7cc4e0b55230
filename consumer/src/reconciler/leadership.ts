import { LedgerTimeout } from "@toril/contract/engine/postgres/errors";
import { createLedger } from "@toril/contract/engine/postgres/pool";
import type { Sql } from "postgres";
import { pause } from "../worker/pause.ts";

/** Options that the connection of a leader must be opened with. */
export interface LeaderConnection {
  max: 1;
  max_lifetime: null;
  onclose(): void;
}

export interface LeadershipDeps {
  /** Makes a postgres.js client for nothing else. */
  open(connection: LeaderConnection): Sql;
  /** Between two tries to become the leader. */
  electEveryMs: number;
  /** After how long without a statement Postgres ends the leader's session, which frees the lock. */
  sessionMs: number;
  stop: AbortSignal;
}

export interface Leadership {
  /** Aborts when the lock was lost, or at `stop`. */
  signal: AbortSignal;
  /**
   * Runs statements on the connection that holds the lock, with plans that read no more rows than are asked for.
   * Throws when it is lost, which ends the leadership.
   */
  run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

/** Any number, the same in every version: whoever holds this advisory lock reconciles. */
const leaderLock = 7_413_002;

const answerMs = 10_000;

/**
 * Waits until nobody else leads, then runs `lead`. At most one runs in all processes, but for the moment in which
 * one has not yet noticed that its connection is gone.
 */
export async function leadOnce(
  { open, electEveryMs, sessionMs, stop }: LeadershipDeps,
  lead: (leadership: Leadership) => Promise<void>,
): Promise<void> {
  const lost = new AbortController();
  const lose = () => lost.abort();
  const connection = createLedger(() => open({ max: 1, max_lifetime: null, onclose: lose }), {
    timeoutMs: answerMs,
  });

  async function run<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    // A connection that is made again has another session, without the lock.
    lost.signal.throwIfAborted();
    try {
      return await connection.run(work);
    } catch (error) {
      if (error instanceof LedgerTimeout) lose();
      throw error;
    }
  }

  /** A process that is frozen or blocked stops sending these, and loses the session by Postgres' clock. */
  async function keepAlive() {
    while (!lost.signal.aborted) {
      await pause(sessionMs / 4, lost.signal);
      await run((sql) => sql`select 1`).catch(lose);
    }
  }

  stop.addEventListener("abort", lose);
  if (stop.aborted) lose();
  try {
    while (!lost.signal.aborted) {
      if (await run((sql) => tryLock(sql, sessionMs))) {
        void keepAlive();
        return await lead({ signal: lost.signal, run });
      }
      await pause(electEveryMs, lost.signal);
    }
  } finally {
    stop.removeEventListener("abort", lose);
    await connection.close();
  }
}

/**
 * The lock must outlive neither a dead host (keepalives) nor a frozen process, whose kernel still answers them: such a
 * session is idle, or its reply is not read (tcp_user_timeout). Without the planner's settings, statistics of a ledger
 * that was still small make each page read and sort all that is pending.
 */
async function tryLock(sql: Sql, sessionMs: number): Promise<boolean> {
  const silence = String(sessionMs);
  const [row] = await sql<{ isHeld: boolean }[]>`
    select set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
           set_config('tcp_keepalives_count', '2', false), set_config('tcp_user_timeout', ${silence}, false),
           set_config('idle_session_timeout', ${silence}, false),
           set_config('idle_in_transaction_session_timeout', ${silence}, false), set_config('jit', 'off', false),
           set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
           pg_try_advisory_lock(${leaderLock}) as "isHeld"`;
  return row?.isHeld ?? false;
}
