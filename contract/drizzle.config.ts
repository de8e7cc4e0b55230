import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  casing: "snake_case",
  schema: "./src/engine/postgres/tables.ts",
  out: "./src/engine/postgres/migrations",
});
