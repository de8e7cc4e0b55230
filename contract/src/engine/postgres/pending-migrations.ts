import type { Sql } from "postgres";
import journal from "./migrations/meta/_journal.json" with { type: "json" };

/** How the schema of a ledger differs from this version. */
export interface MigrationStatus {
  /** Names of the migrations that the ledger lacks. */
  pending: string[];
  /** Number of migrations of a newer version. */
  newer: number;
}

/** Compares the migrations of the ledger with those of this version. Changes nothing. */
export async function readMigrationStatus(sql: Sql): Promise<MigrationStatus> {
  const [table] = await sql<{ exists: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as exists`;
  const applied = table?.exists
    ? await sql<{ at: string }[]>`select created_at as at from drizzle.__drizzle_migrations`
    : [];
  // drizzle applies a migration if it is newer than the newest one that was applied.
  const newest = Math.max(0, ...applied.map(({ at }) => Number(at)));
  const last = journal.entries.at(-1)?.when ?? 0;
  return {
    pending: journal.entries.filter(({ when }) => when > newest).map(({ tag }) => tag),
    newer: applied.filter(({ at }) => Number(at) > last).length,
  };
}
