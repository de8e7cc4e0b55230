import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { echo, postJob } from "./_api.ts";
import { findBundled, root, startStack, type Stack } from "./_stack.ts";

const bin = join(root, "node_modules/.bin");
const programs = {
  producer: findBundled("bun", "producer/main.js") ?? {
    command: join(bin, "bun"),
    args: ["producer/src/main.ts"],
  },
  consumer: findBundled("node", "consumer/main.js") ?? {
    command: join(bin, "node"),
    args: ["consumer/src/main.ts"],
  },
  migrate: { command: join(bin, "bun"), args: ["ops/dev/migrate.ts"] },
};
type Program = keyof typeof programs;

const invalid: [Program, Record<string, string>, string[]][] = [
  ["producer", {}, ["REDIS_URL", "DATABASE_URL"]],
  [
    "producer",
    {
      REDIS_URL: "redis://127.0.0.1:1",
      DATABASE_URL: "postgres://127.0.0.1:1/nothing",
      OIDC_ISSUER: "https://login.example",
    },
    ["OIDC_AUDIENCE"],
  ],
  ["consumer", { WORKER_CONCURRENCY: "many" }, ["WORKER_CONCURRENCY"]],
  ["migrate", { DATABASE_URL_FILE: "/missing" }, ["DATABASE_URL_FILE"]],
];

test.each(invalid)(
  "%s refuses to start with %j, exits with 1 and names the variables in one line",
  async (program, env, variables) => {
    const { code, error } = await _run(program, env);
    expect(code).toBe(1);
    expect(error).toMatch(new RegExp(`^${program}: .*\n$`));
    for (const variable of variables) expect(error).toContain(variable);
  },
);

describe("with stores", () => {
  let stack: Stack;
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "toril-secrets-"));
    stack = await startStack({ consumers: 0 });
  });

  afterAll(async () => {
    await stack[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  test("store addresses can come from files", async () => {
    const [database, redis] = [join(dir, "database"), join(dir, "redis")];
    writeFileSync(database, `${stack.env()["DATABASE_URL"]}\n`);
    writeFileSync(redis, `${stack.env()["REDIS_URL"]}\n`);
    const files = { DATABASE_URL_FILE: database, REDIS_URL_FILE: redis };
    const env = { DATABASE_URL: "", REDIS_URL: "", ...files };
    expect(await _run("migrate", files)).toEqual({ code: 0, error: "" });
    const producer = await stack.startProducer(env);
    await stack.startConsumer(env);
    const answer = await postJob(producer.url, echo("by files"));
    expect(answer.status).toBe(201);
    await stack.until("it is done", async () => {
      const { items } = await stack.client.listJobs({ status: "completed" });
      return items.length > 0 || undefined;
    });
  });

  test("a producer whose port is in use exits with an error that names the port", async () => {
    const PORT = new URL(stack.producers[0]!.url).port;
    const { code, error } = await _run("producer", stack.env({ PORT }));
    expect(code).toBe(1);
    expect(error).toMatch(new RegExp(`^producer: .*${PORT}.*\n$`));
  });

  test("a producer whose metrics port is in use exits with an error that names the port", async () => {
    const METRICS_PORT = new URL(stack.producers[0]!.url).port;
    const env = stack.env({ PORT: "0", METRICS_PORT });
    const { code, error } = await _run("producer", env);
    expect(code).toBe(1);
    expect(error).toMatch(new RegExp(`^producer: .*${METRICS_PORT}.*\n$`));
  });

  test("a consumer whose port is in use exits with an error that names the port", async () => {
    const METRICS_PORT = new URL(stack.producers[0]!.url).port;
    const { code, error } = await _run("consumer", stack.env({ METRICS_PORT }));
    expect(code).toBe(1);
    expect(error).toMatch(/^consumer: .*\n$/);
    expect(error).toContain(METRICS_PORT);
  });

  test("a consumer of an empty database exits with an error that names the migrations", async () => {
    const database = new URL(stack.env()["DATABASE_URL"]!);
    database.pathname = "/postgres";
    const { code, error } = await _run("consumer", stack.env({ DATABASE_URL: database.href }));
    expect(code).toBe(1);
    expect(error).toMatch(/^consumer: .*migrations.*\n$/);
  });

  test("migrating an unreachable Postgres exits with the reason", async () => {
    const DATABASE_URL = "postgres://nobody@127.0.0.1:1/nothing";
    const { code, error } = await _run("migrate", { DATABASE_URL });
    expect(code).toBe(1);
    expect(error).toMatch(/^migrate: .*ECONNREFUSED.*\n$/);
  });
});

async function _run(program: Program, env: Record<string, string>) {
  const { command, args } = programs[program];
  const started = Bun.spawn([command, ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "pipe"],
    // In case it starts although it should not.
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  return { code: await started.exited, error: await started.stderr.text() };
}
