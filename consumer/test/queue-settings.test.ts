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

/** Creates handlers that block until released and count concurrent jobs of all consumers. */
function _holding() {
  const held = _signal();
  const seen = { running: 0, most: 0 };
  const handlers = {
    async echo({ message }: { message: string }) {
      seen.most = Math.max(seen.most, ++seen.running);
      await held.promise;
      await Bun.sleep(5);
      seen.running -= 1;
      return { message };
    },
  };
  return Object.assign(seen, { handlers, release: held.resolve });
}

test("jobs of a paused queue start after it is resumed", async () => {
  await using _one = await _startConsumer(world);
  await _set({ paused: true });
  const job = await _accept();
  await Bun.sleep(300);
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
  await _until(() => hold.running === 3);
  await Bun.sleep(200);
  expect(hold.running).toBe(3);
  await _set({ concurrency: 5 });
  await _until(() => hold.running === 5);
  await Bun.sleep(200);
  hold.release();
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  expect(hold.most).toBe(5);
});

test("a rate limit of a queue delays jobs until it is removed", async () => {
  await using _one = await _startConsumer(world);
  await _set({ rateLimit: { max: 2, durationMs: 3_600_000 } });
  const jobs = await _acceptMany(5);
  const waiting = () => world.redis.llen(world.keys().wait);
  await _until(async () => (await waiting()) === 3);
  await Bun.sleep(200);
  expect(await waiting()).toBe(3);
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
