import { migrateDatabase } from "./ledger.ts";
import { Refusal } from "./refusal.ts";

async function migrate(databaseUrl: string | undefined): Promise<void> {
  if (!databaseUrl) {
    throw new Refusal("DATABASE_URL is missing, like postgres://user:password@host:5432/database");
  }
  await migrateDatabase(databaseUrl);
  console.log("The ledger is at its newest schema.");
}

try {
  await migrate(process.env["DATABASE_URL"]);
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  process.exitCode = 1;
}
