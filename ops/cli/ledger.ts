import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Env, LedgerConfig, loadEnv } from "@toril/contract/engine/config/config";
import { postgres } from "@toril/contract/engine/postgres/driver";
import type { Sql } from "postgres";
import { UserError } from "../dev/user-error.ts";

/** @param root project directory: without DATABASE_URL, the ledger of the `npm start` that runs there is used */
export function createLedgerAccess(env: Env, root: string) {
  return async function inLedger<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> {
    const { DATABASE_URL } = loadEnv(LedgerConfig, withRunningStack(env, root), (path) =>
      readFileSync(path, "utf8"),
    );
    const sql = postgres(DATABASE_URL, {
      max: 1,
      connect_timeout: 10,
      connection: { application_name: "toril", lock_timeout: 10_000, statement_timeout: 60_000 },
      onnotice: () => {},
    });
    try {
      return await work(sql);
    } catch (error) {
      throw toUserError(error);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
}

/** Whether the environment, or the `npm start` that runs in the folder, has the address of a ledger. */
export function hasLedger(env: Env, root: string): boolean {
  const { DATABASE_URL, DATABASE_URL_FILE } = withRunningStack(env, root);
  return Boolean(DATABASE_URL || DATABASE_URL_FILE);
}

/** Adds the addresses of the stores of the `npm start` that runs in a folder, unless the environment has one. */
export function withRunningStack(env: Env, root: string): Env {
  const file = join(root, ".toril/env");
  const names = ["DATABASE_URL", "REDIS_URL"] as const;
  const isSet = (name: string) => env[name] || env[`${name}_FILE`];
  if (names.some(isSet) || !existsSync(file)) return env;
  const text = readFileSync(file, "utf8");
  const find = (name: string) => new RegExp(`^${name}='?(.*?)'?$`, "m").exec(text)?.[1];
  return { ...env, ...Object.fromEntries(names.map((name) => [name, find(name)])) };
}

function toUserError(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "42P01") {
    const message = "The ledger lacks a table: run `bun run migrate` first";
    return new UserError(message, { cause: error });
  }
  if (/^E[A-Z]+$|^CONNECT|^(08|28|3D|55|57)/.test(code)) {
    const reason = (error instanceof Error && error.message) || code;
    return new UserError(`The ledger is unavailable: ${reason}`, { cause: error });
  }
  return error;
}
