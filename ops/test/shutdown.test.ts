import { queueKeys } from "@toril/contract/engine/redis/names";
import { expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled } from "./_ledger.ts";
import { startStack, type App, type Stack } from "./_stack.ts";

const { active, wait } = queueKeys("bull", "default");

test("a consumer that is asked to stop ends the jobs that run, leaves the others to the next one and exits with 0", async () => {
  await using stack = await startStack({ env: { WORKER_CONCURRENCY: "5" } });
  const { client, sql, redisClient, until } = stack;
  const consumer = stack.consumers[0]!;
  const jobs = Array.from({ length: 12 }, () => echo("steady", { sleepMs: 1000 }));
  await client.createJobs(jobs);
  await until("five run", async () => (await redisClient.llen(active)) === 5 || undefined);
  expect(await _stop(stack, consumer)).toEqual({ code: 0, signal: null });
  expect(await countJobs(sql)).toMatchObject({ completed: 5, pending: 7, dead: 0 });
  expect(await redisClient.llen(active)).toBe(0);
  expect(await redisClient.llen(wait)).toBe(7);

  await consumer.restart();
  expect(await until("the others have ended", () => countsIfSettled(sql))).toEqual(
    allCompleted(12),
  );
});

test("a consumer that is asked to stop gives a job that outlasts DRAIN_MS back to its queue", async () => {
  await using stack = await startStack({ env: { DRAIN_MS: "300" } });
  const { client, redisClient, until } = stack;
  const consumer = stack.consumers[0]!;
  const { id } = await client.createJob(echo("long", { sleepMs: 3000 }));
  await until("it runs", async () => (await redisClient.llen(active)) === 1 || undefined);
  expect(await _stop(stack, consumer)).toEqual({ code: 0, signal: null });
  expect(await client.getJob(id)).toMatchObject({
    status: "pending",
    state: "waiting",
    attempts: { made: 0 },
  });

  await consumer.restart();
  const job = await until("it has ended", async () => {
    const job = await client.getJob(id);
    return job.status === "pending" ? undefined : job;
  });
  expect(job).toMatchObject({ status: "completed", attempts: { made: 1 } });
});

test("producers and consumers stop when they are asked to although Postgres does not answer", async () => {
  await using stack = await startStack();
  await stack.client.createJob(echo("before"));
  await stack.until("it has ended", () => countsIfSettled(stack.sql));
  await stack.postgres.kill("SIGSTOP");
  for (const app of [...stack.producers, ...stack.consumers]) {
    expect(await _stop(stack, app)).toEqual({ code: 0, signal: null });
  }
});

async function _stop({ until }: Stack, app: App) {
  await app.kill("SIGTERM");
  return until(`the ${app.name} exits`, async () => (app.isDown ? app.exited : undefined));
}
