import { isTransient } from "@toril/contract/ledger/errors";
import { createLedger, type Ledger } from "@toril/contract/ledger/pool";
import { arrayTypes } from "./array-types.ts";
import postgres, { type Options, type Sql } from "postgres";

/** A statement that takes longer has lost its connection, or waits for what never ends. */
const statementTimeoutMs = 10_000;
const lockTimeoutMs = 5000;

export function openLedger(url: string): Ledger {
  const open = () => openClient(url, { max: 10 });
  return createLedger(open, { timeoutMs: statementTimeoutMs + 1000 });
}

export function openClient(url: string, options: Options<Record<string, never>>): Sql {
  return postgres(url, {
    prepare: true,
    fetch_types: false,
    types: arrayTypes,
    connect_timeout: 2,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => {},
    connection: {
      application_name: "toril-consumer",
      statement_timeout: statementTimeoutMs,
      lock_timeout: lockTimeoutMs,
      // Made for tables that were still small, a kept plan reads all of them when they are large.
      plan_cache_mode: "force_custom_plan",
    },
    ...options,
  });
}

/** What a start waits for Postgres. */
const answerMs = 2000;

/** Throws when Postgres answers that the ledger's tables are not there; while it is away, nothing is known. */
export async function requireTables(ledger: Ledger): Promise<void> {
  try {
    await ledger.run((sql) => sql`select from jobs limit 0`, answerMs);
  } catch (error) {
    if (isTransient(error)) return;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the ledger cannot be used (${reason}); were the migrations run?`, {
      cause: error,
    });
  }
}
