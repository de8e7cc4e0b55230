import { migrateLedger } from "@toril/contract/engine/postgres/migrate";
import postgres from "postgres";

import { UserError } from "./user-error.ts";

export async function migrateDatabase(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await migrateLedger(sql);
  } catch (error) {
    // drizzle tells the statement; what Postgres said about it is the cause.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const message = reason instanceof Error ? reason.message : String(reason);
    throw new UserError(`The ledger could not be migrated: ${message}`, { cause: error });
  } finally {
    await sql.end();
  }
}
