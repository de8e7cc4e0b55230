import { readFileSync } from "node:fs";

import { ConfigError, LedgerConfig, loadEnv } from "@toril/contract/engine/config/config";

import { migrateDatabase } from "./stores/migrate-database.ts";
import { UserError } from "./user-error.ts";

try {
  const config = loadEnv(LedgerConfig, process.env, (path) => readFileSync(path, "utf8"));
  await migrateDatabase(config.DATABASE_URL);
  console.log("The ledger has the newest schema.");
} catch (error) {
  const isExpected = error instanceof ConfigError || error instanceof UserError;
  console.error(isExpected ? `migrate: ${error.message}` : error);
  process.exitCode = 1;
}
