import { arrayTypes } from "@toril/contract/engine/postgres/array-types";
import { isTransient } from "@toril/contract/engine/postgres/errors";
import { createLedger, type Ledger } from "@toril/contract/engine/postgres/pool";
import { postgres } from "@toril/contract/engine/postgres/driver";
import type { Options, Sql } from "postgres";

/** A statement that takes longer has lost its connection or is blocked. */
const statementTimeoutMs = 10_000;
const lockTimeoutMs = 5000;

/** Opens the pool that jobs wait for. Every statement selects its rows by arrays of ids. */
export function openLedger(url: string): Ledger {
  return open(url, { connections: 7, plans: plansById });
}

/** Opens the pool for schedules, operations, and the jobs that schedules and handlers enqueue. */
export function openBackgroundLedger(url: string): Ledger {
  return open(url, { connections: 3, plans: plansByWalk });
}

interface Pool {
  connections: number;
  plans: Record<string, string>;
}

function open(url: string, { connections, plans }: Pool): Ledger {
  const connection = { ...limits, ...plans };
  return createLedger(() => openClient(url, { max: 1, connection }), {
    timeoutMs: statementTimeoutMs + 1000,
    connections,
  });
}

const limits = {
  application_name: "toril-consumer",
  statement_timeout: statementTimeoutMs,
  lock_timeout: lockTimeoutMs,
  // A process frozen in a transaction would otherwise lock the rows of a schedule or operation forever.
  idle_in_transaction_session_timeout: statementTimeoutMs,
};

/**
 * One generic plan per statement, by index and with hash joins, suits a ledger of any size. The planner's own plan,
 * made while few jobs were pending, is slow when many jobs are pending.
 */
const plansById = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_nestloop: "off",
  jit: "off",
};

/**
 * These statements walk an index up to a limit, or look up ids by index. They need no sequential scan, which the
 * planner would choose by the statistics of an empty table.
 */
const plansByWalk = { enable_seqscan: "off", jit: "off" };

export function openClient(url: string, options: Options<Record<string, never>>): Sql {
  return postgres(url, {
    prepare: true,
    fetch_types: false,
    types: arrayTypes,
    connect_timeout: 2,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => {},
    connection: limits,
    ...options,
  });
}

/** Timeout for Postgres at startup. */
const timeoutMs = 2000;

/** Throws when Postgres is available but the tables are missing. Returns when Postgres is unavailable. */
export async function requireTables(ledger: Ledger): Promise<void> {
  try {
    await ledger.run((sql) => sql`select from jobs limit 0`, { timeoutMs });
  } catch (error) {
    if (isTransient(error)) return;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the ledger cannot be used (${reason}); were the migrations run?`, {
      cause: error,
    });
  }
}
