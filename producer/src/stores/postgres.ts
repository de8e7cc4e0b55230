import postgres, { type Sql } from "postgres";
import { arrayTypes } from "@toril/contract/engine/postgres/array-types";
import {
  createLedger,
  type Ledger,
  type LedgerSettings,
} from "@toril/contract/engine/postgres/pool";

export interface ConnectSettings extends Omit<LedgerSettings, "timeoutMs"> {
  /** After this time Postgres cancels a statement. */
  statementTimeoutMs?: number;
}

/**
 * One plan for each statement, by index: the planner's own choice, made while a table was empty, reads all of it for the
 * next minutes, until autovacuum has collected statistics.
 */
const plans = { plan_cache_mode: "force_generic_plan", enable_seqscan: "off", jit: "off" };

/**
 * @param timeoutMs the deadline of an answer: a statement must end before it, by Postgres' clock or by ours
 */
export function connectLedger(
  url: string,
  timeoutMs: number,
  settings: ConnectSettings = {},
): Ledger {
  const { statementTimeoutMs = Math.floor(timeoutMs * 0.8), ...pool } = settings;
  return createLedger(
    () =>
      postgres(url, {
        max: 1,
        fetch_types: false,
        types: arrayTypes,
        connect_timeout: 2,
        idle_timeout: 60,
        backoff: (retries) => Math.min(0.05 * 2 ** retries, 1),
        onnotice: () => {},
        connection: {
          application_name: "toril-producer",
          statement_timeout: statementTimeoutMs,
          lock_timeout: Math.floor(timeoutMs * 0.2),
          idle_in_transaction_session_timeout: timeoutMs,
          ...plans,
        },
      }),
    { timeoutMs: Math.floor(timeoutMs * 0.9), ...pool },
  );
}

/** A pool whose connections tenants take turns for. */
export interface TenantLedger {
  run<Result>(tenant: string, work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

export function forTenants(ledger: Pick<Ledger, "run">): TenantLedger {
  return { run: (tenant, work) => ledger.run(work, { tenant }) };
}

/** Each kind of work has connections of its own: when one kind uses all of its connections, the others do not wait. */
export interface Ledgers {
  /** Records jobs. */
  accepting: Ledger;
  /** Everything else that a request writes. */
  changing: TenantLedger;
  /** Everything that a request only reads: lists, searches, summaries, previews. */
  reading: Ledger;
  /** What serves all streams of events together. */
  background: Ledger;
  close(): Promise<void>;
}

const maxReadMs = 2000;
/** Of 4: one is left for another tenant. */
const connectionsPerTenant = 3;

export function connectLedgers(url: string, timeoutMs: number): Ledgers {
  const ledgers = {
    accepting: connectLedger(url, timeoutMs, { connections: 6 }),
    changing: connectLedger(url, timeoutMs, { connections: 4, connectionsPerTenant }),
    reading: connectLedger(url, timeoutMs, {
      connections: 4,
      connectionsPerTenant,
      maxWaitingPerTenant: 1000,
      statementTimeoutMs: Math.min(Math.floor(timeoutMs * 0.4), maxReadMs),
    }),
    background: connectLedger(url, timeoutMs, { connections: 2 }),
  };
  return {
    ...ledgers,
    changing: forTenants(ledgers.changing),
    async close() {
      await Promise.all(Object.values(ledgers).map((ledger) => ledger.close()));
    },
  };
}
