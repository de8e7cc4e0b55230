import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { epochKey } from "@toril/contract/engine/redis/names";
import type { Redis } from "ioredis";
import { persistentArgs, type Service, startRedis } from "../../ops/dev/stores/redis.ts";
import { createRedisEpoch, type RedisLoss } from "../src/reconciler/redis-epoch.ts";
import { _connect, _until } from "./_reconcile.ts";

const dir = mkdtempSync(join(tmpdir(), "toril-epoch-"));
let server: Service;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ dir, args: persistentArgs });
  redis = _connect(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => redis.flushall());

const prefix = "test";
const queue = "echo";

/** Watches on a separate connection and counts the checks. */
async function _watch(port = server.port) {
  const own = _connect(`redis://127.0.0.1:${port}`);
  const losses: RedisLoss[] = [];
  const problems: unknown[] = [];
  let looks = 0;
  const counting = new Proxy(own, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === "eval") looks += 1;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const epoch = createRedisEpoch({
    redis: counting,
    prefix,
    queues: [queue],
    // Long enough that a check is not late on a busy machine, which counts as a possible loss.
    everyMs: 100,
    log: { warn: (problem: unknown) => problems.push(problem) },
    onDataLoss: (reason) => losses.push(reason),
  });
  return {
    epoch,
    losses,
    problems,
    connection: own,
    /** Waits until two more checks have begun, so that one has ended. */
    async looked() {
      const before = looks;
      await _until(() => looks >= before + 2);
    },
    async [Symbol.asyncDispose]() {
      await epoch.close();
      own.disconnect();
    },
  };
}

test("no loss is reported while Redis runs, and the epoch of another process is kept", async () => {
  await redis.set(epochKey(prefix, queue), "set before");
  await using watching = await _watch();
  await watching.looked();
  const { changedAt } = watching.epoch;

  await watching.looked();

  expect(watching.losses).toEqual([]);
  expect(watching.epoch.changedAt).toBe(changedAt);
  expect(await redis.get(epochKey(prefix, queue))).toBe("set before");
});

test("each of several watchers detects FLUSHALL once, and they agree on the new epoch", async () => {
  await using stack = new AsyncDisposableStack();
  const watchers = await Promise.all(Array.from({ length: 8 }, () => _watch()));
  for (const watching of watchers) stack.use(watching);
  await Promise.all(watchers.map((watching) => watching.looked()));
  const before = watchers.map((watching) => watching.epoch.changedAt);

  await redis.flushall();
  await _until(() => watchers.every((watching) => watching.losses.length > 0));
  const epoch = await redis.get(epochKey(prefix, queue));
  await Promise.all(watchers.map((watching) => watching.looked()));

  expect(watchers.map((watching) => watching.losses)).toEqual(watchers.map(() => ["flushed"]));
  expect(await redis.get(epochKey(prefix, queue))).toBe(epoch);
  expect(watchers.every(({ epoch }, index) => epoch.changedAt > before[index]!)).toBe(true);
});

test("a lost connection is detected after it returns; until then nothing is trusted", async () => {
  await using watching = await _watch();
  await watching.looked();

  await redis.call("CLIENT", "KILL", "ID", String(await watching.connection.client("ID")));
  await _until(() => watching.losses.length > 0);
  await watching.looked();

  expect(watching.losses).toEqual(["reconnected"]);
});

test("a restart without a loss of data is detected", async () => {
  await using watching = await _watch();
  await watching.looked();
  const epoch = await redis.get(epochKey(prefix, queue));

  const { port } = server;
  await server.stop();
  const stoppedAt = Date.now();
  await _until(() => watching.epoch.changedAt >= stoppedAt);
  server = await startRedis({ dir, port, args: persistentArgs });
  await _until(() => watching.losses.length > 0);

  expect(watching.losses).toEqual(["restarted"]);
  expect(await redis.get(epochKey(prefix, queue))).toBe(epoch);
});

test("a Redis that becomes available after the start is detected", async () => {
  const { port } = server;
  await server.stop();
  await using watching = await _watch(port);
  await _until(() => watching.connection.status === "reconnecting");

  server = await startRedis({ dir, port, args: persistentArgs });
  await _until(() => watching.losses.length > 0);

  expect(watching.losses).toEqual(["reconnected"]);
});

test("failing checks are logged once, and nothing is trusted", async () => {
  await using watching = await _watch();
  await watching.looked();
  await redis.del(epochKey(prefix, queue));
  await redis.hset(epochKey(prefix, queue), "not", "a string");
  await _until(() => watching.problems.length > 0);
  await watching.looked();

  expect(watching.problems).toHaveLength(1);
  const now = Date.now();
  expect(watching.epoch.changedAt).toBeGreaterThanOrEqual(now);
  await redis.del(epochKey(prefix, queue));
  await _until(() => watching.losses.length > 0);
  expect(watching.losses).toEqual(["flushed"]);
});
