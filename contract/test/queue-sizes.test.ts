import { afterAll, afterEach, expect, test } from "bun:test";
import { Queue, Worker } from "bullmq";
import { bullName, jobKey } from "../src/engine/redis/names.ts";
import type { DispatchOptions } from "../src/engine/redis/scripts/options.ts";
import { readQueueSizes } from "../src/engine/queues/queue-sizes.ts";
import { _connect, _createSite, _dispatchEntry, _rejection } from "./_dispatch.ts";

const redis = _connect();
const site = _createSite(redis);
const now = Date.now();

afterEach(() => site.clear());
afterAll(() => redis.quit());

const read = () => readQueueSizes(redis, site.prefix, ["q"], () => now);

async function dispatch(...all: Partial<DispatchOptions>[]) {
  const jobs = all.map((options) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: now, ...options } }),
  );
  await site.dispatch("q", jobs);
  return jobs;
}

test("an unused queue is empty", async () => {
  const counts = { waiting: 0, active: 0, delayed: 0, prioritized: 0, failed: 0 };
  expect(await read()).toEqual([{ queue: "q", counts, oldestMs: 0 }]);
});

test("the counts are BullMQ's own", async () => {
  await dispatch({}, {}, {}, { delayMs: 60_000 }, { priority: 2 }, { priority: 3 });
  const worker = new Worker(bullName("q"), null, {
    connection: redis,
    prefix: site.prefix,
    skipStalledCheck: true,
  });
  const taken = await worker.getNextJob("token", { block: false });
  await worker.getNextJob("token", { block: false });
  await taken?.moveToFailed(new Error("no"), "token", false);
  const queue = new Queue(bullName("q"), { connection: redis, prefix: site.prefix });
  const { waiting, active, delayed, prioritized, failed } = await queue.getJobCounts();
  const [size] = await read();
  expect(size!.counts).toEqual({
    waiting: waiting!,
    active: active!,
    delayed: delayed!,
    prioritized: prioritized!,
    failed: failed!,
  });
  expect(size!.counts).toEqual({ waiting: 1, active: 1, delayed: 1, prioritized: 2, failed: 1 });
  await Promise.all([worker.close(), queue.close()]);
});

test("the oldest is the one that is next, counted from when it was due", async () => {
  const [first] = await dispatch({ timestamp: now - 9000, delayMs: 0 }, { timestamp: now - 3000 });
  expect((await read())[0]!.oldestMs).toBe(9000);
  await redis.hset(jobKey(site.prefix, "q", first!.bullId), "opts", '{"delay":4000}');
  expect((await read())[0]!.oldestMs).toBe(5000);
  await redis.hset(jobKey(site.prefix, "q", first!.bullId), "processedOn", now - 1000);
  expect((await read())[0]!.oldestMs).toBe(1000);
});

test("without others, the first of the prioritized is next", async () => {
  await dispatch({ timestamp: now - 5000, priority: 2 }, { timestamp: now - 8000, priority: 9 });
  expect((await read())[0]!.oldestMs).toBe(5000);
});

test("a job whose hash was lost or overwritten has no age", async () => {
  const [job] = await dispatch({ timestamp: now - 5000 });
  const key = jobKey(site.prefix, "q", job!.bullId);
  await redis.hset(key, "opts", "{");
  expect((await read())[0]!.oldestMs).toBe(5000);
  await redis.del(key);
  expect((await read())[0]).toMatchObject({ counts: { waiting: 1 }, oldestMs: 0 });
});

test("reading rejects when Redis refuses", async () => {
  await redis.set(`${site.prefix}:{q}:wait`, "no list");
  expect(await _rejection(read())).toContain("WRONGTYPE");
});
