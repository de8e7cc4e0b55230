import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob } from "./_api.ts";
import { type Certificate, createAuthority } from "./_certificates.ts";
import { stablePort } from "../dev/processes/restartable.ts";
import { type RedisProcess, startRedisProcess } from "../dev/stores/redis-process.ts";
import { startStack, type Stack } from "./_stack.ts";

const dir = mkdtempSync(join(tmpdir(), "toril-tls-"));
let authority: Awaited<ReturnType<typeof createAuthority>>;
let application: Certificate;
let stack: Stack;
let tlsPort: number;
let redis: RedisProcess;

beforeAll(async () => {
  authority = await createAuthority(dir);
  application = await authority.sign("application");
  const server = await authority.sign("redis");
  tlsPort = await stablePort();
  const port = ["--tls-port", String(tlsPort), "--tls-ca-cert-file", authority.caFile];
  const files = ["--tls-cert-file", server.certFile, "--tls-key-file", server.keyFile];
  redis = await startRedisProcess({ dir: join(dir, "redis"), args: [...port, ...files] });
  stack = await startStack({ producers: 0, consumers: 0 });
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const _askClients = (answer: "yes" | "no") =>
  redis.client.config("SET", "tls-auth-clients", answer);
const _env = (host = "127.0.0.1") => ({ REDIS_URL: `rediss://${host}:${tlsPort}` });

async function _countUnencrypted() {
  const clients = String(await redis.client.client("LIST"))
    .trim()
    .split("\n");
  return clients.filter((client) => !client.includes(` laddr=127.0.0.1:${tlsPort} `)).length;
}

test.each(["no", "yes"] as const)(
  "over TLS, with client certificates required: %s, jobs are dispatched and completed",
  async (requested) => {
    await _askClients(requested);
    const { certFile, keyFile } = application;
    const own = { REDIS_TLS_CERT_FILE: certFile, REDIS_TLS_KEY_FILE: keyFile };
    const env = { ..._env(), REDIS_TLS_CA_FILE: authority.caFile, ...(requested === "yes" && own) };
    await using producer = await stack.startProducer(env);
    await using _ = await stack.startConsumer(env);

    const answer = await postJob(producer.url, echo("encrypted"));
    expect(answer.status).toBe(201);
    await stack.until("it is done", async () => {
      const [job] = await stack.sql`select status from jobs where id = ${getJobId(answer)}`;
      return job?.["status"] === "completed" || undefined;
    });
    // The client of this test.
    expect(await _countUnencrypted()).toBe(1);
  },
);

test.each<[string, () => Record<string, string>]>([
  ["whose authority is not configured", () => _env()],
  [
    "whose certificate is for another name",
    () => ({ ..._env("localhost"), REDIS_TLS_CA_FILE: authority.caFile }),
  ],
])("no command is sent to a Redis %s", async (_, env) => {
  await _askClients("no");
  await redis.client.config("RESETSTAT");
  await using producer = await stack.startProducer(env());
  expect((await postJob(producer.url, echo("secret"))).status).toBe(202);
  const commands = await redis.client.info("commandstats");
  expect([...commands.matchAll(/^cmdstat_(.*?):/gm)].map(([, name]) => name)).toEqual([
    "config|resetstat",
  ]);
});

test("a Redis that requires client certificates refuses producers without one", async () => {
  await _askClients("yes");
  const env = { ..._env(), REDIS_TLS_CA_FILE: authority.caFile };
  await using producer = await stack.startProducer(env);
  expect((await postJob(producer.url, echo("refused"))).status).toBe(202);
});
