import { afterAll, expect, test } from "bun:test";
import { bullName, queueKeys } from "@toril/contract/engine/redis/names";
import {
  createTake,
  takeScriptUrl,
  type TakeRequest,
} from "@toril/contract/engine/redis/scripts/take";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { testPrefix, testRedisUrl } from "../../contract/test/_stores.ts";
import { createTakeLoop, type TakeLoopDeps } from "../src/worker/take-loop.ts";
import { _signal, _until } from "./_world.ts";

const prefix = testPrefix();
const redis = new Redis(testRedisUrl, { maxRetriesPerRequest: null });
const script = await Bun.file(takeScriptUrl).text();
let queueCount = 0;

afterAll(async () => {
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1000 })) {
    if (keys.length > 0) await redis.del(keys);
  }
  redis.disconnect();
});

/** Opens a queue of its own, with workers that run `process`. */
function _openQueue() {
  queueCount += 1;
  const name = `q${queueCount}`;
  const queue = new Queue(bullName(name), { connection: redis, prefix });
  const keys = queueKeys(prefix, name);
  const opened: { close(isForced: boolean): Promise<void> }[] = [];
  const errors: Error[] = [];
  const requests: TakeRequest[] = [];

  function work(process: TakeLoopDeps["process"], concurrency = 10) {
    const worker = new Worker(bullName(name), null, {
      connection: redis,
      prefix,
      name: "worker",
      lockDuration: 10_000,
      autorun: false,
      removeOnComplete: { count: 0 },
    });
    const take = createTake(redis, {
      prefix,
      queue: name,
      script,
      workerName: "worker",
      lockDurationMs: 10_000,
      limiter: undefined,
      returnValue: '"done"',
    });
    const loop = createTakeLoop({
      take(request) {
        requests.push(request);
        return take(request);
      },
      worker,
      restoreMarker: (score, member) => redis.zadd(keys.marker, score, member),
      concurrency,
      lockDurationMs: 10_000,
      stalledIntervalMs: 5000,
      returnValue: "done",
      process,
      beforeStalledCheck: async () => {},
      onStalled() {},
      onFailed() {},
      onError: (error) => errors.push(error),
    });
    loop.start();
    opened.push(loop);
    return loop;
  }

  return {
    queue,
    keys,
    errors,
    requests,
    work,
    /** Resolves when a worker waits for the marker and no job is left. */
    isIdle: () =>
      _until(async () => {
        const counts = await queue.getJobCounts("waiting", "active", "prioritized", "delayed");
        return Object.values(counts).every((count) => count === 0);
      }),
    async [Symbol.asyncDispose]() {
      for (const loop of opened) await loop.close(false);
      await queue.close();
    },
  };
}

const data = [...Array(30).keys()].map((n) => ({ name: "job", data: { n } }));

test("jobs are taken for all free slots at once, never for more", async () => {
  await using site = _openQueue();
  await site.queue.addBulk(data);
  let active = 0;
  let most = 0;
  const released = _signal();
  site.work(async () => {
    active += 1;
    most = Math.max(most, active);
    await released.promise;
    active -= 1;
  });
  await _until(() => active === 10);
  expect(await site.queue.getActiveCount()).toBe(10);
  released.resolve();
  await site.isIdle();
  expect(most).toBe(10);
  expect(site.requests[0]).toMatchObject({ limit: 10, finished: [] });
  // All ten completed in one turn of the event loop.
  expect(site.requests.find(({ finished }) => finished.length > 0)?.finished).toHaveLength(10);
  expect(site.errors).toEqual([]);
});

test("a job is finished at once while another one of its batch still runs", async () => {
  await using site = _openQueue();
  await site.queue.addBulk(data.slice(0, 2));
  const released = _signal();
  site.work((job) => ((job.data as { n: number }).n === 0 ? released.promise : Promise.resolve()));
  await _until(async () => (await site.queue.getJobCounts("waiting", "active"))["active"] === 1);
  expect((await site.queue.getActive()).map((job) => job.data)).toEqual([{ n: 0 }]);
  released.resolve();
  await site.isIdle();
});

test("a slot is free when the handler has ended, while the job is settled", async () => {
  await using site = _openQueue();
  await site.queue.addBulk(data);
  const settled = _signal();
  let handling = 0;
  let mostHandling = 0;
  site.work(async (_, onHandled) => {
    mostHandling = Math.max(mostHandling, ++handling);
    await Promise.resolve();
    handling -= 1;
    onHandled();
    await settled.promise;
  }, 4);
  // Four slots and twice the other three: the number of jobs whose results wait for Postgres is limited.
  await _until(async () => (await site.queue.getActiveCount()) === 10);
  settled.resolve();
  await site.isIdle();
  expect(mostHandling).toBe(4);
  expect(site.errors).toEqual([]);
});

test("a worker with one slot settles each job before the next one starts", async () => {
  await using site = _openQueue();
  await site.queue.addBulk(data.slice(0, 5));
  const steps: string[] = [];
  site.work(async (job, onHandled) => {
    const { n } = job.data as { n: number };
    steps.push(`handled ${n}`);
    onHandled();
    // A call for the next job would be answered before the second reply.
    await redis.ping();
    await redis.ping();
    steps.push(`settled ${n}`);
  }, 1);
  await site.isIdle();
  expect(steps).toEqual([0, 1, 2, 3, 4].flatMap((n) => [`handled ${n}`, `settled ${n}`]));
  expect(site.requests.every(({ limit }) => limit <= 1)).toBe(true);
});

test("a paused worker leaves the wake-up for a new job to another worker", async () => {
  await using site = _openQueue();
  const taken: string[] = [];
  const paused = site.work(async () => void taken.push("paused"));
  const isBlocked = async () =>
    (await site.queue.getWorkers()).some((client) => client["cmd"] === "bzpopmin");
  await _until(isBlocked);
  const { length } = site.requests;
  paused.pause();
  // The paused worker's blocking read comes first in Redis and gets the marker.
  await site.queue.add("job", {});
  await _until(async () => (await redis.zscore(site.keys.marker, "0")) !== null);
  site.work(async () => void taken.push("other"));
  await site.isIdle();
  expect(taken).toEqual(["other"]);
  expect(site.requests.length).toBeGreaterThan(length);
  paused.resume();
});

test("with a limit of active jobs per queue the next job is taken when one has failed", async () => {
  await using site = _openQueue();
  await site.queue.setGlobalConcurrency(1);
  await site.queue.addBulk(data.slice(0, 3));
  const runs: unknown[] = [];
  site.work(async (job) => {
    runs.push(job.data);
    throw new Error("no");
  });
  await _until(async () => (await site.queue.getFailedCount()) === 3);
  expect(runs).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  // No marker was awaited between the jobs: each call took the job after the one before it.
  expect(site.requests.filter(({ limit }) => limit > 0).length).toBeLessThan(9);
});

test("children of a flow are finished with BullMQ, so that their parent runs", async () => {
  await using site = _openQueue();
  const flows = new FlowProducer({ connection: redis, prefix });
  const queueName = bullName(`q${queueCount}`);
  const children = ["a", "b"].map((name) => ({ name, queueName }));
  await flows.add({ name: "parent", queueName, children });
  const runs: string[] = [];
  site.work(async (job) => void runs.push(job.name));
  await _until(() => runs.length === 3);
  expect(runs.at(-1)).toBe("parent");
  await site.isIdle();
  expect(site.errors).toEqual([]);
  await flows.close();
});

test("a job with a deduplication id frees the id when it is finished", async () => {
  await using site = _openQueue();
  const deduplication = { id: "same" };
  await site.queue.add("job", { n: 1 }, { deduplication });
  const runs: unknown[] = [];
  site.work(async (job) => void runs.push(job.data));
  await _until(async () => (await site.queue.getDeduplicationJobId("same")) === null);
  await site.queue.add("job", { n: 2 }, { deduplication });
  await _until(() => runs.length === 2);
  await site.isIdle();
});

test("a job of a job scheduler is followed by the next one", async () => {
  await using site = _openQueue();
  await site.queue.upsertJobScheduler("often", { every: 50 }, { name: "tick", data: {} });
  const runs: string[] = [];
  site.work(async (job) => void runs.push(job.id));
  await _until(() => runs.length >= 3);
  await site.queue.removeJobScheduler("often");
  expect(new Set(runs).size).toBe(runs.length);
});

test("a stock worker and Toril's share a queue, and both announce what they complete", async () => {
  await using site = _openQueue();
  const events = new QueueEvents(bullName(`q${queueCount}`), {
    connection: redis.duplicate(),
    prefix,
    // By default it reads from its first blocking read on, which may follow the first jobs.
    lastEventId: "0-0",
  });
  await events.waitUntilReady();
  const completed = new Map<string, unknown>();
  events.on("completed", ({ jobId, returnvalue }) => completed.set(jobId, returnvalue));
  site.work(async () => {}, 3);
  const stock = new Worker(bullName(`q${queueCount}`), async () => "stock", {
    connection: redis,
    prefix,
    concurrency: 3,
  });
  for (let n = 0; n < 20 || new Set(completed.values()).size < 2; n += 1) {
    await site.queue.addBulk(data);
    await _until(() => completed.size === (n + 1) * data.length);
  }
  expect(new Set(completed.values())).toEqual(new Set(["done", "stock"]));
  await Promise.all([stock.close(), events.close()]);
});
