import { migrateLedger } from "@toril/contract/engine/postgres/migrate";
import { postgres } from "@toril/contract/engine/postgres/driver";

import { UserError } from "../user-error.ts";

export async function migrateDatabase(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await migrateLedger(sql);
  } catch (error) {
    // The message of drizzle's error is the statement; its cause is the error of Postgres.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = reason instanceof Error ? reason.message : String(reason);
    throw new UserError(`Migrating the ledger failed: ${message}`, { cause: error });
  } finally {
    await sql.end();
  }
}
