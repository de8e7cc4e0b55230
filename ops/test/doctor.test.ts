import { jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";

import { _runCommand } from "../cli/_run-command.ts";
import { createLedgerAccess } from "../cli/ledger.ts";
import type { Comparison } from "../cli/reconcile/find-differences.ts";
import { echo } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

interface Report {
  findings: { check: string; severity: string; problem: string; remedy: string }[];
  skipped: { subject: string }[];
}

let stack: Stack;
let env: Record<string, string>;

beforeAll(async () => {
  stack = await startStack({ consumers: 0, postgresSettings: {} });
  await stack.redisClient.config("SET", "appendonly", "yes");
  const { DATABASE_URL = "", REDIS_URL = "" } = stack.env();
  env = { DATABASE_URL, REDIS_URL, TORIL_URL: stack.producers[0]!.url, HOME: "/nonexistent" };
});
afterAll(() => stack[Symbol.asyncDispose]());

async function diagnose(more: Record<string, string> = {}) {
  const all = { ...env, ...more };
  const withLedger = createLedgerAccess(all, "/nonexistent");
  const { code, json } = await _runCommand("doctor --json", { env: all, withLedger });
  const { findings, skipped } = json as Report;
  return { code, findings, skipped, checks: findings.map(({ check }) => check).toSorted() };
}

/** Changes parameters of the server for new connections, and waits until they apply. */
async function setParameters(parameters: Record<string, string | undefined>): Promise<void> {
  for (const [name, value] of Object.entries(parameters)) {
    await stack.sql.unsafe(
      `alter system ${value === undefined ? `reset ${name}` : `set ${name} = ${value}`}`,
    );
  }
  await stack.sql`select pg_reload_conf()`;
  await stack.until("the parameters apply", async () => {
    const client = postgres(env["DATABASE_URL"]!, { max: 1 });
    try {
      for (const [name, value] of Object.entries(parameters)) {
        const [row] = await client<{ is: string }[]>`select current_setting(${name}) as is`;
        if (value !== undefined && row?.is !== value) return undefined;
        if (value === undefined && row?.is === "off") return undefined;
      }
      return true;
    } finally {
      await client.end();
    }
  });
}

test("a healthy service has no findings, and exit code 0", async () => {
  expect(await diagnose()).toMatchObject({ code: 0, checks: [], skipped: [] });
  const { output } = await _runCommand("doctor", {
    env,
    withLedger: createLedgerAccess(env, "/nonexistent"),
  });
  expect(output).toMatch(/^No problem found in the service .*, Redis, Postgres, pending jobs\.$/);
});

test("planted faults in Redis, Postgres and jobs are found, each with what to do", async () => {
  const { redisClient, client, sql } = stack;
  await client.createJob(echo("nobody runs it"));
  const deferred = await client.createJob({ ...echo("deferred"), delayMs: 3_600_000 });
  // As a consumer leaves a job whose type has no handler.
  await redisClient.hset(jobKey("bull", deferred.queue, deferred.id), "ats", "1");
  await client.putJobType("planted.pull", { data: { type: "object" }, worker: "pull" });
  const overdue = await client.createJob({ type: "planted.pull", data: {} });
  await sql`update jobs set created_at = now() - interval '2 minutes' where id = ${overdue.id}`;
  const used = Number(/used_memory:(\d+)/.exec(await redisClient.info("memory"))?.[1]);
  await redisClient.config("SET", "maxmemory", String(Math.ceil(used * 1.1)));
  await redisClient.config("SET", "maxmemory-policy", "allkeys-lru");
  await redisClient.config("SET", "appendonly", "no");
  await redisClient.config("SET", "min-replicas-to-write", "1");
  await setParameters({ fsync: "off", full_page_writes: "off", synchronous_commit: "off" });
  const idle = await openConnections(75);
  try {
    const { code, findings, checks } = await diagnose();
    expect(code).toBe(1);
    expect(checks).toEqual([
      "no-consumer",
      "no-handler",
      "no-worker",
      "postgres-connections",
      "postgres-fsync",
      "postgres-full-page-writes",
      "postgres-synchronous-commit",
      "redis-eviction",
      "redis-memory",
      "redis-persistence",
      "redis-replicas",
      "redis-writes",
      // Redis refuses its writes, too.
      "service-not-ready",
    ]);
    for (const { problem, remedy } of findings) {
      expect(problem).not.toBe("");
      expect(remedy).not.toBe("");
    }
  } finally {
    await idle[Symbol.asyncDispose]();
    await redisClient.config("SET", "min-replicas-to-write", "0");
    await redisClient.config("SET", "appendonly", "yes");
    await redisClient.config("SET", "maxmemory", "0");
    await redisClient.config("SET", "maxmemory-policy", "noeviction");
    await setParameters({
      fsync: undefined,
      full_page_writes: undefined,
      synchronous_commit: undefined,
    });
  }
});

/** Opens connections, so that few are left. */
async function openConnections(count: number): Promise<AsyncDisposable> {
  const client = postgres(env["DATABASE_URL"]!, { max: count });
  await Promise.all(Array.from({ length: count }, () => client.reserve()));
  return { [Symbol.asyncDispose]: () => client.end({ timeout: 1 }) };
}

test("a ledger that lacks migrations, has an invalid index and is read-only is found", async () => {
  const { sql } = stack;
  const [last] = await sql<{ id: number; hash: string; at: string }[]>`
    delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)
    returning id, hash, created_at as at`;
  await sql`create table planted as select 1 as n from generate_series(1, 2)`;
  // Fails, and leaves an invalid index.
  await sql`create unique index concurrently planted_n on planted (n)`.catch(() => {});
  await sql`alter database toril set default_transaction_read_only = on`;
  try {
    const { checks } = await diagnose();
    expect(checks).toEqual(["invalid-index", "migrations", "postgres-read-only"]);
  } finally {
    await sql`drop table planted`;
    await sql`alter database toril reset default_transaction_read_only`;
    await sql`insert into drizzle.__drizzle_migrations ${sql({ id: last!.id, hash: last!.hash, created_at: last!.at })}`;
  }
});

test("stores and services that do not answer are found, and unset variables are skipped", async () => {
  const nobody = "127.0.0.1:1";
  const { checks, findings } = await diagnose({
    DATABASE_URL: `postgres://toril@${nobody}/toril`,
    REDIS_URL: `redis://${nobody}`,
    TORIL_URL: `http://${nobody}`,
  });
  expect(checks).toEqual(["postgres-unavailable", "redis-unavailable", "service-unreachable"]);
  expect(findings.map(({ problem }) => problem).join()).toContain("ECONNREFUSED");
  const { skipped } = await diagnose({ DATABASE_URL: "", REDIS_URL: "" });
  expect(skipped.map(({ subject }) => subject)).toEqual(["Redis", "Postgres"]);
});

test("reconcile --dry-run lists the jobs that consumers would repair, and changes nothing", async () => {
  const { redisClient, client, sql } = stack;
  const names = ["missing", "orphaned", "finished", "same"];
  const jobs = await Promise.all(names.map((name) => client.createJob(echo(name))));
  const ids = jobs.map(({ id }) => id);
  const [missing = "", orphaned = "", finished = "", same = ""] = ids;
  await sql`update jobs set created_at = now() - interval '1 minute' where id = any(${ids}::uuid[])`;
  const { wait } = queueKeys("bull", "default");
  await redisClient.del(jobKey("bull", "default", missing));
  await redisClient.lrem(wait, 1, orphaned);
  await redisClient.hset(jobKey("bull", "default", finished), { finishedOn: 1, returnvalue: "1" });

  const run = (args: string) =>
    _runCommand(args, { env, withLedger: createLedgerAccess(env, "/nonexistent") });
  const { code, json } = await run("reconcile --dry-run --json");
  const { differences, pending } = json as Comparison;
  expect(code).toBe(1);
  expect(pending).toBeGreaterThanOrEqual(4);
  const found = new Map(differences.map((one) => [one.id, [one.found, one.repair]]));
  expect(ids.map((id) => found.get(id))).toEqual([
    ["missing", "redispatch"],
    ["orphaned", "redispatch"],
    ["finished", "settle"],
    undefined,
  ]);
  const { output } = await run("reconcile --dry-run");
  expect(output).toMatch(new RegExp(`^${missing} +default +echo +missing +redispatch$`, "m"));
  expect(output).not.toContain(same);
  expect((await client.getJob(missing)).state).toBe("undispatched");
  expect((await run("reconcile")).code).toBe(2);
});
