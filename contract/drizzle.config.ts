import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./src/ledger/tables.ts",
  out: "./src/ledger/migrations",
});
