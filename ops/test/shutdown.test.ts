import { queueKeys } from "@toril/contract/engine/redis/names";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled } from "./_ledger.ts";
import { startStack, type App, type Stack } from "./_stack.ts";

const { active, wait } = queueKeys("bull", "default");

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ consumers: 0, env: { DRAIN_MS: "3000" } });
});
afterAll(() => stack[Symbol.asyncDispose]());

test("on SIGTERM a consumer completes its active jobs, leaves the waiting jobs to the next consumer and exits with 0", async () => {
  const { client, sql, redisClient, until } = stack;
  const consumer = await stack.startConsumer({ WORKER_CONCURRENCY: "5", DRAIN_MS: "30000" });
  await client.createJobs(Array.from({ length: 12 }, () => echo("steady", { sleepMs: 2000 })));
  // Redis may call jobs active that the consumer has not started: on SIGTERM it requeues them.
  await until("five jobs have started", async () => {
    const metrics = await (await fetch(`${consumer.url}/metrics`)).text();
    return /^toril_jobs_active 5$/m.test(metrics) || undefined;
  });
  expect(await _stop(stack, consumer)).toEqual({ code: 0, signal: null });
  expect(await countJobs(sql)).toMatchObject({ completed: 5, pending: 7, dead: 0 });
  expect(await redisClient.llen(active)).toBe(0);
  expect(await redisClient.llen(wait)).toBe(7);

  await consumer.restart();
  const counts = await until("the other jobs have ended", () => countsIfSettled(sql));
  expect(counts).toEqual(allCompleted(12));
  await consumer.kill("SIGKILL");
});

test("on SIGTERM a consumer requeues a job that outlasts DRAIN_MS", async () => {
  const { client, redisClient, until } = stack;
  const consumer = await stack.startConsumer({ DRAIN_MS: "300" });
  const { id } = await client.createJob(echo("long", { sleepMs: 3000 }));
  await until("the job is active", async () => (await redisClient.llen(active)) === 1 || undefined);
  expect(await _stop(stack, consumer)).toEqual({ code: 0, signal: null });
  expect(await client.getJob(id)).toMatchObject({
    status: "pending",
    state: "waiting",
    attempts: { made: 0 },
  });

  await consumer.restart();
  const job = await until("the job has ended", async () => {
    const job = await client.getJob(id);
    return job.status === "pending" ? undefined : job;
  });
  expect(job).toMatchObject({ status: "completed", attempts: { made: 1 } });
});

test("producers and consumers stop on SIGTERM although Postgres does not respond", async () => {
  await stack.client.createJob(echo("before"));
  await stack.until("the job has ended", () => countsIfSettled(stack.sql));
  await stack.postgres.kill("SIGSTOP");
  for (const app of [...stack.producers, ...stack.consumers].filter(({ isDown }) => !isDown)) {
    expect(await _stop(stack, app)).toEqual({ code: 0, signal: null });
  }
});

async function _stop({ until }: Stack, app: App) {
  await app.kill("SIGTERM");
  return until(`the ${app.name} exits`, async () => (app.isDown ? app.exited : undefined));
}
