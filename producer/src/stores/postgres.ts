import { postgres } from "@toril/contract/engine/postgres/driver";
import type { ISql, Sql } from "postgres";
import { arrayTypes } from "@toril/contract/engine/postgres/array-types";
import {
  createLedger,
  type Ledger,
  type LedgerSettings,
} from "@toril/contract/engine/postgres/pool";

export interface ConnectSettings extends Omit<LedgerSettings, "timeoutMs"> {
  /** After this time Postgres cancels a statement. */
  statementTimeoutMs?: number;
  plans?: Record<string, string>;
}

/**
 * Forces generic index plans: a plan chosen while a table was empty would scan the whole table until autovacuum has
 * collected statistics, minutes later.
 */
const plansByIndex = { plan_cache_mode: "force_generic_plan", enable_seqscan: "off", jit: "off" };
/** Statements that select their rows by arrays of ids: a hash join suits batches of any size. */
const plansById = { ...plansByIndex, enable_nestloop: "off" };

/** @param timeoutMs the response deadline: a statement must end before it, enforced by Postgres and by this process */
export function connectLedger(
  url: string,
  timeoutMs: number,
  settings: ConnectSettings = {},
): Ledger {
  const {
    statementTimeoutMs = Math.floor(timeoutMs * 0.8),
    plans = plansByIndex,
    ...pool
  } = settings;
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

/** A connection pool shared fairly: tenants take turns. */
export interface TenantLedger {
  run<Result>(tenant: string, work: (sql: Sql) => Promise<Result>): Promise<Result>;
}

export function forTenants(ledger: Pick<Ledger, "run">): TenantLedger {
  return { run: (tenant, work) => ledger.run(work, { tenant }) };
}

/** Each kind of work has its own connections, so that one kind cannot exhaust those of another. */
export interface Ledgers {
  /** Records jobs. */
  accepting: Ledger;
  /** All other writes of requests. */
  changing: TenantLedger;
  /** All read-only work of requests: lists, searches, summaries, previews. */
  reading: Ledger;
  /** Work shared by all event streams. */
  background: Ledger;
  /** Looks up and settles jobs of workers. */
  working: Ledger;
  close(): Promise<void>;
}

const maxReadMs = 2000;
/** One of the 4 connections stays available to other tenants. */
const connectionsPerTenant = 3;

export function connectLedgers(url: string, timeoutMs: number): Ledgers {
  const ledgers = {
    accepting: connectLedger(url, timeoutMs, { connections: 8 }),
    changing: connectLedger(url, timeoutMs, { connections: 4, connectionsPerTenant }),
    reading: connectLedger(url, timeoutMs, {
      connections: 4,
      connectionsPerTenant,
      maxWaitingPerTenant: 1000,
      statementTimeoutMs: Math.min(Math.floor(timeoutMs * 0.4), maxReadMs),
    }),
    background: connectLedger(url, timeoutMs, { connections: 2 }),
    working: connectLedger(url, timeoutMs, { connections: 4, plans: plansById }),
  };
  return {
    ...ledgers,
    changing: forTenants(ledgers.changing),
    async close() {
      await Promise.all(Object.values(ledgers).map((ledger) => ledger.close()));
    },
  };
}

/** Numbers that no other advisory lock uses. */
const locks = { operations: 7_413_004, schedules: 7_413_005, webhooks: 7_413_007 } as const;

/**
 * Serializes the creation of a tenant's resources of one kind until the transaction ends. Count existing resources only
 * under this lock: concurrent requests could each see a free slot and exceed the limit together.
 */
export async function lockCreation(
  tx: ISql,
  kind: keyof typeof locks,
  tenant: string,
): Promise<void> {
  await tx`select pg_advisory_xact_lock(${locks[kind]}, hashtext(${tenant}))`;
}
