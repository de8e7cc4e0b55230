import { bullName, queueKeys } from "@toril/contract/dispatch/names";
import { Worker } from "bullmq";
import { expect, test } from "bun:test";
import { Redis } from "ioredis";

import { echo, postMany } from "./_api.ts";
import { allCompleted, countJobs, whenEnded } from "./_ledger.ts";
import { startStack } from "./_stack.ts";

test("a stock BullMQ worker does jobs that Toril placed, and the ledger learns how they ended", async () => {
  // Whoever serves another queue reconciles all of them.
  await using stack = await startStack({
    env: { BULL_QUEUE_NAME: "imports", RECONCILE_INTERVAL_MS: "500", RECONCILE_GRACE_MS: "200" },
  });
  const { client, sql, redisClient, until } = stack;
  const connection = new Redis(stack.redis.url, { maxRetriesPerRequest: null });
  const starts = new Map<string, number>();
  await using worker = _closing(
    new Worker<{ message: string }>(
      bullName("default"),
      async (job) => {
        starts.set(job.id!, (starts.get(job.id!) ?? 0) + 1);
        if (job.data.message === "bad") throw new Error("not by this worker");
        return { message: job.data.message, by: "stock" };
      },
      { connection, prefix: "bull", concurrency: 20 },
    ),
    connection,
  );
  await worker.ready();

  const good = await client.createJob(echo("good"));
  const bad = await client.createJob({ ...echo("bad"), attempts: 2 });
  const later = await client.createJob({ ...echo("later"), delayMs: 1000 });
  await postMany(stack.producers[0]!.url, 500);
  await until("all jobs have ended", () => whenEnded(sql));

  expect(await countJobs(sql)).toEqual({ ...allCompleted(503), completed: 502, dead: 1 });
  expect(await client.getJob(good.id)).toMatchObject({
    status: "completed",
    result: { message: "good", by: "stock" },
    attempts: { made: 1, max: 3 },
  });
  expect(await client.getJob(bad.id)).toMatchObject({
    status: "dead",
    error: { message: "not by this worker" },
    attempts: { made: 2, max: 2 },
  });
  expect(await client.getJob(later.id)).toMatchObject({ status: "completed" });
  expect([...starts.values()].filter((count) => count !== 1)).toEqual([2]);
  expect(await redisClient.zcard(queueKeys("bull", "default").completed)).toBe(502);
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
