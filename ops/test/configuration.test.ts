import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { echo, postJob } from "./_api.ts";
import { root, startStack, type Stack } from "./_stack.ts";

const bin = join(root, "node_modules/.bin");
const programs = {
  producer: [join(bin, "bun"), "producer/src/main.ts"],
  consumer: [join(bin, "node"), "consumer/src/main.ts"],
  migrate: [join(bin, "bun"), "ops/dev/migrate.ts"],
};
type Program = keyof typeof programs;

const REDIS_URL = "redis://127.0.0.1:1";
const DATABASE_URL = "postgres://nobody@127.0.0.1:1/nothing";

const wrong: [Program, Record<string, string>, string][] = [
  ["producer", { REDIS_URL }, "DATABASE_URL is missing"],
  ["consumer", { REDIS_URL }, "DATABASE_URL is missing"],
  ["migrate", {}, "DATABASE_URL is missing"],
  ["producer", { DATABASE_URL }, "REDIS_URL is missing"],
  ["consumer", { DATABASE_URL, REDIS_URL: "" }, "REDIS_URL is missing"],
  ["producer", {}, "REDIS_URL is missing; DATABASE_URL is missing"],
  [
    "producer",
    { REDIS_URL, DATABASE_URL: "db:5432" },
    "DATABASE_URL must be a postgres:// address",
  ],
  [
    "consumer",
    { REDIS_URL: "http://r", DATABASE_URL },
    "REDIS_URL must be a redis:// or rediss:// address",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, PORT: "80a" },
    "PORT must be a whole number from 0 to 65535",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, TRUSTED_PROXIES: "10.0.0.0/8, proxy" },
    "TRUSTED_PROXIES must be a list of addresses and networks",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, ALLOW_OPEN: "maybe" },
    "ALLOW_OPEN must be true or false",
  ],
  [
    "consumer",
    { REDIS_URL, DATABASE_URL, METRICS_PORT: "65536" },
    "METRICS_PORT must be a whole number from 0 to 65535",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, DATABASE_URL_FILE: "/dev/null" },
    "DATABASE_URL and DATABASE_URL_FILE are both set",
  ],
  [
    "consumer",
    { REDIS_URL, REDIS_URL_FILE: "/dev/null", DATABASE_URL },
    "REDIS_URL and REDIS_URL_FILE are both set",
  ],
  [
    "consumer",
    { REDIS_URL, DATABASE_URL_FILE: "/nowhere" },
    "DATABASE_URL_FILE cannot be read: ENOENT: no such file or directory, open '/nowhere'",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, OIDC_ISSUER: "https://login.example" },
    "OIDC_ISSUER needs OIDC_AUDIENCE",
  ],
  [
    "producer",
    { REDIS_URL, DATABASE_URL, OIDC_ISSUER: "login.example" },
    "OIDC_ISSUER must be an https:// or http:// address",
  ],
  [
    "consumer",
    { REDIS_URL, DATABASE_URL, BULL_QUEUE_NAME: "bulls" },
    `BULL_QUEUE_NAME must be a list of ${shippedRegistry.queues.join(", ")}`,
  ],
];

test.each(wrong)("%s with %j says: %s", async (program, env, complaint) => {
  expect(await _run(program, env)).toEqual({ code: 1, complaint: `${program}: ${complaint}\n` });
});

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

  test("the addresses may come from files", async () => {
    const [database, redis] = [join(dir, "database"), join(dir, "redis")];
    writeFileSync(database, `${stack.env()["DATABASE_URL"]}\n`);
    writeFileSync(redis, `${stack.env()["REDIS_URL"]}\n`);
    const files = { DATABASE_URL_FILE: database, REDIS_URL_FILE: redis };
    const env = { DATABASE_URL: "", REDIS_URL: "", ...files };
    expect(await _run("migrate", files)).toEqual({ code: 0, complaint: "" });
    const producer = await stack.startProducer(env);
    await stack.startConsumer(env);
    const answer = await postJob(producer.url, echo("by files"));
    expect(answer.status).toBe(201);
    await stack.until("it is done", async () => {
      const { items } = await stack.client.listJobs({ status: "completed" });
      return items.length > 0 || undefined;
    });
  });

  test("a producer whose port is taken says so in one line", async () => {
    const PORT = new URL(stack.producers[0]!.url).port;
    const complaint = `producer: PORT ${PORT} is taken\n`;
    expect(await _run("producer", stack.env({ PORT }))).toEqual({ code: 1, complaint });
  });

  test("a producer whose metrics port is taken says so in one line", async () => {
    const METRICS_PORT = new URL(stack.producers[0]!.url).port;
    const complaint = `producer: METRICS_PORT ${METRICS_PORT} is taken\n`;
    const env = stack.env({ PORT: "0", METRICS_PORT });
    expect(await _run("producer", env)).toEqual({ code: 1, complaint });
  });

  test("a consumer whose port is taken says so in one line", async () => {
    const METRICS_PORT = new URL(stack.producers[0]!.url).port;
    const { code, complaint } = await _run("consumer", stack.env({ METRICS_PORT }));
    expect(code).toBe(1);
    expect(complaint).toMatch(/^consumer: .*\n$/);
    expect(complaint).toContain(METRICS_PORT);
  });

  test("a consumer of an empty database asks for the migrations", async () => {
    const database = new URL(stack.env()["DATABASE_URL"]!);
    database.pathname = "/postgres";
    const { code, complaint } = await _run("consumer", stack.env({ DATABASE_URL: database.href }));
    expect(code).toBe(1);
    expect(complaint).toMatch(/^consumer: .*migrations.*\n$/);
  });

  test("migrating a Postgres that is not there says why in one line", async () => {
    const { code, complaint } = await _run("migrate", { DATABASE_URL });
    expect(code).toBe(1);
    expect(complaint).toMatch(/^migrate: .*ECONNREFUSED.*\n$/);
  });
});

async function _run(program: Program, env: Record<string, string>) {
  const started = Bun.spawn(programs[program], {
    cwd: root,
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "pipe"],
    // For one that starts although it should not.
    timeout: 15_000,
    killSignal: "SIGKILL",
  });
  return { code: await started.exited, complaint: await started.stderr.text() };
}
