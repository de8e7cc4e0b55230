import { arrayTypes } from "@toril/contract/engine/postgres/array-types";
import { isTransient } from "@toril/contract/engine/postgres/errors";
import { createLedger, type Ledger } from "@toril/contract/engine/postgres/pool";
import postgres, { type Options, type Sql } from "postgres";

/** A statement that takes longer has lost its connection, or waits for what never ends. */
const statementTimeoutMs = 10_000;
const lockTimeoutMs = 5000;

/** For what jobs wait for: every statement names its rows by arrays of ids, and writes or reads just those. */
export function openLedger(url: string): Ledger {
  return open(url, { connections: 7, plans: plansById });
}

/** For schedules, operations, and the jobs they and handlers enqueue. */
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
  // A process that is frozen in the middle of a transaction would hold the rows of a schedule or an operation for ever.
  idle_in_transaction_session_timeout: statementTimeoutMs,
};

/**
 * One plan for each statement, by index and with hashed joins, suits a ledger of any size; the planner's own choices,
 * made while few jobs were pending, are the wrong ones when many are.
 */
const plansById = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_nestloop: "off",
  jit: "off",
};

/**
 * Those walk an index up to a limit, or look up by index what they found. Only a sequential scan is never right for them,
 * and what the planner chooses by statistics of an empty table.
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

/** What a start waits for Postgres. */
const answerMs = 2000;

/** Throws when Postgres answers that the ledger's tables are not there; while it is away, nothing is known. */
export async function requireTables(ledger: Ledger): Promise<void> {
  try {
    await ledger.run((sql) => sql`select from jobs limit 0`, { timeoutMs: answerMs });
  } catch (error) {
    if (isTransient(error)) return;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the ledger cannot be used (${reason}); were the migrations run?`, {
      cause: error,
    });
  }
}
