import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  type ApplySettings,
  createApplySettings,
  settingsScriptUrl,
} from "@toril/contract/engine/queues/queue-settings";
import { createWatchQueue, watchScriptUrl } from "@toril/contract/engine/queues/watch-queue";
import {
  changeQueueSettings,
  enforceQueueSettings,
} from "@toril/contract/engine/queues/settings-ledger";
import type { QueueChange } from "@toril/contract/api/queue";
import * as reconciling from "./_reconcile.ts";
import { _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let apply: ApplySettings;
beforeAll(async () => {
  world = await _openWorld();
  const script = readFileSync(settingsScriptUrl, "utf8");
  apply = createApplySettings(world.redis, { prefix: world.prefix, script });
});
afterEach(async () => {
  await _set({ paused: false, concurrency: null, rateLimit: null });
});
afterAll(() => world[Symbol.asyncDispose]());

/** Changes queue settings like a producer. */
async function _set(change: QueueChange & { paused?: boolean }) {
  await changeQueueSettings(world.sql, "default", change, async () => {});
  await enforceQueueSettings(world.sql, "default", apply);
}

const _accept = () => world.accept({ type: "echo", data: { message: "hello" } });
const _acceptMany = (count: number) => Promise.all(Array.from({ length: count }, _accept));

/** Creates handlers that hold each job until it is released, and count the concurrent jobs of all consumers. */
function _holding() {
  const held: (() => void)[] = [];
  let most = 0;
  const handlers = {
    async echo({ message }: { message: string }) {
      const released = _signal();
      most = Math.max(most, held.push(released.resolve));
      await released.promise;
      return { message };
    },
  };
  return {
    handlers,
    /** Runs jobs, of which `limit` are held at any time; returns the maximum of concurrent jobs. */
    async runThrough(count: number, limit: number) {
      most = 0;
      for (let left = count; left > 0; left -= 1) {
        await _until(() => held.length >= Math.min(left, limit));
        held.shift()?.();
      }
      return most;
    },
  };
}

/** Waits until an idle consumer has asked for jobs: it consumes a second marker after the call that the first causes. */
async function _waitForTake() {
  const { marker } = world.keys();
  for (const _call of [1, 2]) {
    await world.redis.zadd(marker, 0, "0");
    await _until(async () => (await world.redis.exists(marker)) === 0);
  }
}

test("jobs of a paused queue start after it is resumed", async () => {
  await using _one = await _startConsumer(world);
  await _set({ paused: true });
  const job = await _accept();
  await _waitForTake();
  expect((await world.getRow(job.id))?.["status"]).toBe("pending");
  expect(await world.redis.llen(world.keys().wait)).toBe(1);
  await _set({ paused: false });
  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed" });
});

test("the concurrency of a queue limits two consumers together, and can be raised", async () => {
  await _set({ concurrency: 3 });
  const hold = _holding();
  await using _one = await _startConsumer(world, { handlers: hold.handlers });
  await using _two = await _startConsumer(world, { handlers: hold.handlers });
  const jobs = await _acceptMany(20);
  expect(await hold.runThrough(20, 3)).toBe(3);
  await _set({ concurrency: 5 });
  jobs.push(...(await _acceptMany(20)));
  expect(await hold.runThrough(20, 5)).toBe(5);
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
});

test("a rate limit of a queue delays jobs until it is removed", async () => {
  await using _one = await _startConsumer(world);
  await _set({ rateLimit: { max: 2, durationMs: 3_600_000 } });
  const jobs = await _acceptMany(5);
  const { wait, active } = world.keys();
  // The call that finishes a job takes the next one if it may.
  await _until(
    async () => (await world.redis.llen(active)) === 0 && (await world.redis.llen(wait)) < 5,
  );
  expect(await world.redis.llen(wait)).toBe(3);
  await _set({ rateLimit: null });
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
});

test("consumers announce the queues that they serve, and their shutdown", async () => {
  const script = readFileSync(watchScriptUrl, "utf8");
  const watch = createWatchQueue(world.redis, { prefix: world.prefix, script });
  const env = { WORKER_CONCURRENCY: "7", BULL_QUEUE_NAME: "default" };
  const one = await _startConsumer(world, { env });
  const two = await _startConsumer(world, { env });
  await _until(async () => (await watch("default")).workers.length === 2);
  const { workers } = await watch("default");
  expect(workers[0]).toMatchObject({ pid: process.pid, concurrency: 7, active: 0 });
  expect((await watch("feeds")).workers).toEqual([]);
  await one.close();
  expect((await watch("default")).workers).toHaveLength(1);
  await two.close();
  expect((await watch("default")).workers).toEqual([]);
});

test("queue settings are restored after a flush before jobs are re-dispatched", async () => {
  await using own = await reconciling._openWorld();
  const { redis, prefix, sql } = own;
  const script = readFileSync(settingsScriptUrl, "utf8");
  const order: string[] = [];
  const tell = createApplySettings(redis, { prefix, script });
  const change = { paused: true, concurrency: 4, rateLimit: { max: 3, durationMs: 2000 } };
  await changeQueueSettings(sql, "echo", change, async () => {});
  const [id] = await reconciling._record(own, 1);
  await using reconciler = await reconciling._startReconciler(own, {
    apply: async (settings) => {
      order.push("set");
      await tell(settings);
    },
    dispatch: (queue, jobs) => {
      order.push("dispatched");
      return own.dispatch(queue, jobs);
    },
  });
  const meta = () => redis.hgetall(own.keys().meta);
  const set = { paused: "1", concurrency: "4", max: "3", duration: "2000" };
  await _until(async () => (await own.getHash(id!))["name"]);
  expect(await meta()).toMatchObject(set);
  await redis.flushall();
  order.length = 0;
  await reconciler.pass();
  await _until(async () => (await own.getHash(id!))["name"]);
  expect(await meta()).toMatchObject(set);
  // Settings are restored right before the re-dispatch, too: Redis may have been flushed a moment ago.
  expect(order).toEqual(["set", "set", "dispatched"]);
  expect(await redis.exists(own.keys().marker)).toBe(0);
});

test("malformed queue settings are restored without a new job", async () => {
  await using _one = await _startConsumer(world);
  const { meta } = world.keys();
  const job = await _accept();
  await world.waitForEnd(job.id);
  await world.redis.hset(meta, { concurrency: "abc", max: "none" });
  await _until(async () => (await world.redis.hget(meta, "concurrency")) === null);
  expect(await world.redis.hget(meta, "max")).toBeNull();
  expect(await world.waitForEnd((await _accept()).id)).toMatchObject({ status: "completed" });
});
