import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import type { Sql } from "postgres";

/** Advisory lock for migrations; must be the same number in every version. */
const migrationLock = 7_413_001;

/**
 * Migrates the ledger to the newest schema. Idempotent and safe to run concurrently.
 * @param client a dedicated client with one connection: drizzle changes its codecs, and the lock belongs to the session
 */
export async function migrateLedger(client: Sql): Promise<void> {
  await lockMigrations(client);
  try {
    await createLargeIndexes(client);
    await dropLargeIndexes(client);
    await migrate(drizzle(client), {
      migrationsFolder: decodeURIComponent(migrationsUrl.pathname),
    });
  } finally {
    await client`select pg_advisory_unlock(${migrationLock})`;
  }
}

/** Polls: a concurrent index build would wait for a statement that waits for the lock. */
async function lockMigrations(client: Sql): Promise<void> {
  for (;;) {
    const [lock] = await client<{ isHeld: boolean }[]>`
      select pg_try_advisory_lock(${migrationLock}) as "isHeld"`;
    if (lock?.isHeld) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * Indexes on tables that may have millions of rows. They are built before the migration that creates them (with `if not
 * exists`), because a migration is a transaction, in which an index build blocks writes. `columns`: a new column of the
 * index, which the migration adds (with `if not exists`).
 */
const largeIndexes: readonly { name: string; on: string; columns?: string }[] = [
  {
    name: "jobs_pending_tenant",
    on: "jobs using btree (tenant, id) where status = 'pending'",
  },
  {
    name: "jobs_parent",
    on: "jobs using btree (parent_id, status, id) where parent_id is not null",
    columns: "parent_id uuid",
  },
  {
    name: "jobs_waiting_children",
    on: "jobs using btree (id) where status = 'pending' and waiting_children",
    columns: "waiting_children boolean",
  },
];

async function createLargeIndexes(client: Sql): Promise<void> {
  const [ledger] = await client<
    { exists: boolean }[]
  >`select to_regclass('jobs') is not null as exists`;
  if (!ledger?.exists) return;
  for (const { name, on, columns } of largeIndexes) {
    if (columns !== undefined) {
      await client.unsafe(`alter table jobs add column if not exists ${columns}`);
    }
    // An interrupted build leaves an invalid index.
    const [invalid] = await client`
      select from pg_index where indexrelid = to_regclass(${name}) and not indisvalid`;
    if (invalid !== undefined) await client.unsafe(`drop index concurrently ${name}`);
    await client.unsafe(`create index concurrently if not exists ${name} on ${on}`);
  }
}

/** Dropped before the migration that drops them (with `if exists`), whose lock would wait for long reads and block others. */
const droppedIndexes = ["jobs_settled"];

async function dropLargeIndexes(client: Sql): Promise<void> {
  for (const name of droppedIndexes) {
    await client.unsafe(`drop index concurrently if exists ${name}`);
  }
}

const migrationsUrl = new URL("./migrations/", import.meta.url);
