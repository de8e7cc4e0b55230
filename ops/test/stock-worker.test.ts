import { bullName, queueKeys } from "@toril/contract/engine/redis/names";
import { Worker } from "bullmq";
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { Redis } from "ioredis";

import { echo, postMany } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { root, startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  // A consumer of another queue settles jobs of all queues, without the reconciler.
  stack = await startStack({
    env: { BULL_QUEUE_NAME: "imports", RECONCILE_GRACE_MS: "3600000" },
  });
});
afterAll(() => stack[Symbol.asyncDispose]());
beforeEach(() => deleteJobs(stack.sql));

test("jobs that a stock BullMQ worker processes are settled when they finish", async () => {
  const { client, sql, redisClient, until } = stack;
  const connection = new Redis(stack.redis.url, { maxRetriesPerRequest: null });
  const starts = new Map<string, number>();
  await using worker = _closing(
    new Worker<{ message: string }>(
      bullName("default"),
      async (job) => {
        starts.set(job.id!, (starts.get(job.id!) ?? 0) + 1);
        if (job.data.message === "bad") throw new Error("not by this worker");
        return job.data.message === "wrong" ? { by: "stock" } : { message: job.data.message };
      },
      { connection, prefix: "bull", concurrency: 20 },
    ),
    connection,
  );
  await worker.ready();

  await until("the stock worker is counted", async () => {
    const { workers, queues } = await client.getOverview();
    const served = queues.filter(({ stockWorkers }) => stockWorkers === 1).map(({ name }) => name);
    return (
      (workers.stock === 1 && workers.consumers === 1 && served.join() === "default") || undefined
    );
  });

  const events = await fetch(new URL("/v1/queues/default/events", stack.producers[0]!.url));
  const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
  const good = await client.createJob(echo("good"));
  const bad = await client.createJob({ ...echo("bad"), attempts: 2 });
  const wrong = await client.createJob(echo("wrong"));
  const later = await client.createJob({ ...echo("later"), delayMs: 1000 });
  await postMany(stack.producers[0]!.url, 500);
  await until("all jobs have ended", () => countsIfSettled(sql));

  expect(await countJobs(sql)).toEqual({ ...allCompleted(504), completed: 502, dead: 2 });
  expect(await client.getJob(good.id)).toMatchObject({
    status: "completed",
    result: { message: "good" },
    attempts: { made: 1, max: 3 },
  });
  expect(await client.getJob(wrong.id)).toMatchObject({
    status: "dead",
    error: { name: "InvalidResult" },
  });
  expect(await client.getJob(bad.id)).toMatchObject({
    status: "dead",
    error: { message: "not by this worker" },
    attempts: { made: 2, max: 2 },
  });
  expect(await client.getJob(later.id)).toMatchObject({ status: "completed" });
  expect([...starts.values()].filter((count) => count !== 1)).toEqual([2]);
  const { base, completed, failed } = queueKeys("bull", "default");
  await until("Redis has forgotten them", async () => {
    const left = (await redisClient.zcard(completed)) + (await redisClient.zcard(failed));
    return left === 0 && (await redisClient.exists(`${base}${good.id}`)) === 0;
  });
  let text = "";
  while (!text.includes(`"event":"completed","status":"completed"`) || !text.includes(good.id)) {
    text += (await reader.read()).value ?? "";
  }
  await reader.cancel();
});

test("jobs that a stock BullMQ worker removes are settled without the reconciler, and run once", async () => {
  const { client, sql, until } = stack;
  const connection = new Redis(stack.redis.url, { maxRetriesPerRequest: null });
  let starts = 0;
  await using worker = _closing(
    new Worker<{ message: string }>(
      bullName("default"),
      async (job) => {
        starts++;
        if (job.data.message === "bad") throw new Error("not by this worker");
        return { message: job.data.message };
      },
      {
        connection,
        prefix: "bull",
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
        concurrency: 20,
      },
    ),
    connection,
  );
  await worker.ready();

  const bad = await client.createJob({ ...echo("bad"), attempts: 2 });
  await postMany(stack.producers[0]!.url, 500);
  await until("all jobs have ended", () => countsIfSettled(sql));

  expect(await countJobs(sql)).toEqual({ ...allCompleted(501), completed: 500, dead: 1 });
  expect(starts).toBe(502);
  expect(await client.getJob(bad.id)).toMatchObject({
    status: "dead",
    error: { message: "not by this worker" },
  });
});

test("a job that is cancelled while a stock BullMQ worker processes it leaves Redis when the worker ends", async () => {
  const { client, redisClient, until } = stack;
  const connection = new Redis(stack.redis.url, { maxRetriesPerRequest: null });
  const started = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  await using worker = _closing(
    new Worker(
      bullName("default"),
      async () => {
        started.resolve();
        await held.promise;
      },
      { connection, prefix: "bull" },
    ).on("completed", () => ended.resolve()),
    connection,
  );
  await worker.ready();
  const { id } = await client.createJob(echo("held"));
  await started.promise;
  await client.cancelJob(id);
  held.resolve();
  await ended.promise;

  const { base, completed } = queueKeys("bull", "default");
  await until("Redis has forgotten the job", async () => {
    const left = (await redisClient.zcard(completed)) + (await redisClient.exists(base + id));
    return left === 0 || undefined;
  });
  expect(await client.getJob(id)).toMatchObject({ status: "cancelled" });
});

/** A Python that has the package `bullmq`; PYTHON names one of a virtual environment. */
const python = process.env["PYTHON"] ?? "python3";
const hasBullmq = Bun.spawnSync([python, "-c", "import bullmq"]).success;

// A skipped test is listed: the package is not installed.
test.skipIf(!hasBullmq)("jobs that a Python worker of BullMQ processes are settled", async () => {
  const { client, sql, until } = stack;
  await using _worker = Bun.spawn([python, "ops/examples/workers/bullmq_worker.py"], {
    cwd: root,
    env: { ...process.env, REDIS_URL: stack.redis.url },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const bad = await client.createJob({ ...echo("fail"), attempts: 2 });
  await postMany(stack.producers[0]!.url, 500);
  await until("all jobs have ended", () => countsIfSettled(sql));
  expect(await countJobs(sql)).toEqual({ ...allCompleted(501), completed: 500, dead: 1 });
  expect(await client.getJob(bad.id)).toMatchObject({
    status: "dead",
    error: { message: "failed as requested" },
    attempts: { made: 2, max: 2 },
  });
});

function _closing(worker: Worker, connection: Redis) {
  return {
    ready: () => worker.waitUntilReady(),
    async [Symbol.asyncDispose]() {
      await worker.close();
      connection.disconnect();
    },
  };
}
