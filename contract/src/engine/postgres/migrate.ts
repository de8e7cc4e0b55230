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
  await lockMigrations(client);
  try {
    await createLargeIndexes(client);
    await migrate(drizzle(client), {
      migrationsFolder: decodeURIComponent(migrationsUrl.pathname),
    });
  } finally {
    await client`select pg_advisory_unlock(${migrationLock})`;
  }
}

/** Asks again and again: a statement that waits would be waited for by an index that is built concurrently. */
async function lockMigrations(client: Sql): Promise<void> {
  for (;;) {
    const [lock] = await client<{ isHeld: boolean }[]>`
      select pg_try_advisory_lock(${migrationLock}) as "isHeld"`;
    if (lock?.isHeld) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * Indexes on tables that may hold millions of rows. They are built before the migration that names them (with
 * `if not exists`), because a migration is one transaction, in which no index is built without locking out writers.
 */
const largeIndexes = [
  {
    name: "jobs_pending_tenant",
    on: "jobs using btree (tenant, id) where status = 'pending'",
  },
];

async function createLargeIndexes(client: Sql): Promise<void> {
  const [ledger] = await client<
    { exists: boolean }[]
  >`select to_regclass('jobs') is not null as exists`;
  if (!ledger?.exists) return;
  for (const { name, on } of largeIndexes) {
    // An earlier build that was interrupted leaves an index that nothing can use.
    const [broken] = await client`
      select from pg_index where indexrelid = to_regclass(${name}) and not indisvalid`;
    if (broken !== undefined) await client.unsafe(`drop index concurrently ${name}`);
    await client.unsafe(`create index concurrently if not exists ${name} on ${on}`);
  }
}

const migrationsUrl = new URL("./migrations/", import.meta.url);
