import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, postJob, postMany } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled } from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

/** REQUEST_TIMEOUT_MS, by default. */
const deadlineMs = 5000;

let stack: Stack;
/** Jobs accepted so far: the tests share one stack, and every job must complete. */
let accepted = 0;

beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack[Symbol.asyncDispose]());

async function _expectAllCompleted(): Promise<void> {
  const counts = await stack.until("every job has ended", () => countsIfSettled(stack.sql));
  expect(counts).toEqual(allCompleted(accepted));
}

test.each([
  ["is down", "SIGKILL", () => stack.redis.restart()],
  ["does not respond", "SIGSTOP", () => stack.redis.kill("SIGCONT")],
] as const)(
  "while Redis %s, jobs are accepted, and they complete when it is back",
  async (_, signal, recover) => {
    await stack.redis.kill(signal);
    accepted += await _acceptWithoutRedis(stack);
    await recover();
    accepted += await _acceptWithRedis(stack);
    await _expectAllCompleted();
  },
);

test("after FLUSHALL, a consumer that starts later completes all pending jobs", async () => {
  const [consumer] = stack.consumers;
  await consumer!.kill("SIGKILL");
  await postMany(stack.producers[0]!.url, 3000);
  accepted += 3000;
  await stack.redisClient.flushall();
  expect(await stack.redisClient.dbsize()).toBeLessThan(10);
  await consumer!.restart();
  await _expectAllCompleted();
});

test("after FLUSHALL, a running consumer completes all pending jobs", async () => {
  const { sql, redisClient, until } = stack;
  const before = await countJobs(sql);
  await postMany(stack.producers[0]!.url, 10_000);
  accepted += 10_000;
  await until(
    "some jobs are completed",
    async () => (await countJobs(sql)).completed > before.completed + 100 || undefined,
  );
  await redisClient.flushall();
  expect((await countJobs(sql)).pending).toBeGreaterThan(1000);
  await _expectAllCompleted();
});

/** Posts one job within its deadline, and many more within another one: none of them waits for Redis. */
async function _acceptWithoutRedis({ producers: [producer] }: Stack): Promise<number> {
  const { url } = producer!;
  const first = await postJob(url, echo("first"), { signal: AbortSignal.timeout(deadlineMs) });
  expect(first.status).toBe(202);
  const signal = AbortSignal.timeout(deadlineMs);
  for (let index = 0; index < 100; index++) {
    expect((await postJob(url, echo(`${index}`), { signal })).status).toBe(202);
  }
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: "degraded", postgres: "ok", redis: "away" },
  ]);
  return 101;
}

/** Waits until jobs are dispatched at once again; returns the number of jobs this took. */
async function _acceptWithRedis({ producers: [producer], until }: Stack): Promise<number> {
  let accepted = 0;
  return until("a job is dispatched at once", async () => {
    const { status } = await postJob(producer!.url, echo("dispatched"));
    accepted += 1;
    return status === 201 ? accepted : undefined;
  });
}
