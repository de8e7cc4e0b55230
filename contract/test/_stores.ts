import postgres from "postgres";
import { migrateLedger } from "../src/engine/postgres/migrate.ts";

export const testRedisUrl = process.env["TEST_REDIS_URL"] ?? "redis://127.0.0.1:6379";
const serverUrl =
  process.env["TEST_DATABASE_URL"] ?? "postgres://postgres:postgres@127.0.0.1:5432/postgres";

export interface TestLedger extends AsyncDisposable {
  url: string;
  sql: postgres.Sql;
}

/** Returns a prefix unique to the test file, so that files can run in parallel on one Redis. */
export function testPrefix(): string {
  return `test-${crypto.randomUUID().slice(0, 8)}`;
}

/** A migrated database to copy, which is faster than migrating an empty one. */
const template = process.env["TEST_LEDGER_TEMPLATE"];

/** Shared by the files of a process, because each connection takes 10 ms of CPU time. It closes when idle. */
const server = postgres(serverUrl, { max: 1, idle_timeout: 5, onnotice: () => {} });

/** Creates an empty ledger for one test file. */
export async function createTestLedger(): Promise<TestLedger> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await server`create database ${server(name)} ${template ? server`template ${server(template)}` : server``}`;
  if (template === undefined) {
    const migrating = postgres(url.href, { max: 1, onnotice: () => {} });
    await migrateLedger(migrating);
    await migrating.end();
  }
  const sql = postgres(url.href, { max: 4, onnotice: () => {} });
  return {
    url: url.href,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await server`drop database if exists ${server(name)} with (force)`;
    },
  };
}
