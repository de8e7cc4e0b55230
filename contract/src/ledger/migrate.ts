import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import type { Sql } from "postgres";

/** Any number, the same in every version: whoever holds this advisory lock migrates. */
const migrationLock = 7_413_001;

/**
 * Brings the ledger to the newest schema. Safe to run from many places at once, and again.
 * @param client a client of one connection and for nothing else: drizzle changes its codecs, the lock is the session's
 */
export async function migrateLedger(client: Sql): Promise<void> {
  await client`select pg_advisory_lock(${migrationLock})`;
  try {
    await migrate(drizzle(client), {
      migrationsFolder: decodeURIComponent(migrationsUrl.pathname),
    });
  } finally {
    await client`select pg_advisory_unlock(${migrationLock})`;
  }
}

const migrationsUrl = new URL("./migrations/", import.meta.url);
