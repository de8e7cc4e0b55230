import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, postJob } from "./_api.ts";
import { stablePort } from "../dev/processes/restartable.ts";
import { startRedisProcess } from "../dev/stores/redis-process.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ producers: 0, consumers: 0 });
});
afterAll(() => stack[Symbol.asyncDispose]());

async function _expectToAccept(env: Record<string, string>) {
  await using producer = await stack.startProducer({ REDIS_URL: "", ...env });
  expect((await postJob(producer.url, echo("recorded"))).status).toBe(202);
}

test("a producer starts and accepts jobs while no Sentinel is reachable", async () => {
  await _expectToAccept({ REDIS_SENTINELS: "127.0.0.1:1", REDIS_SENTINEL_MASTER: "toril" });
});

test("a producer starts and accepts jobs while no Cluster node is reachable", async () => {
  await _expectToAccept({ REDIS_CLUSTER_NODES: "127.0.0.1:1,127.0.0.1:2" });
});

test("a producer starts and accepts jobs while a Cluster is down although its nodes are reachable", async () => {
  const dir = mkdtempSync(join(tmpdir(), "toril-unreachable-"));
  try {
    // Without slots.
    const args = ["--cluster-enabled", "yes", "--cluster-port", String(await stablePort())];
    await using node = await startRedisProcess({ dir, args });
    await _expectToAccept({ REDIS_CLUSTER_NODES: `127.0.0.1:${node.port}` });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
