import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { postMany } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { countAttempts } from "./_metrics.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ consumers: 2 });
});
afterEach(() => deleteJobs(stack.sql));
afterAll(() => stack[Symbol.asyncDispose]());

test("two consumers share the jobs, and each job is settled once", async () => {
  const { sql, until } = stack;
  await postMany(stack.producers[0]!.url, 3000);
  expect(await until("all jobs have ended", () => countsIfSettled(sql))).toEqual(
    allCompleted(3000),
  );
  const shares = await Promise.all(
    stack.consumers.map((consumer) => countAttempts(consumer, "completed")),
  );
  expect(Math.min(...shares)).toBeGreaterThan(0);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBe(3000);
});

test("after one of two consumers is killed, the other one re-dispatches jobs that Redis lost", async () => {
  const { sql, redisClient, until } = stack;
  let accepted = 0;
  for (const consumer of stack.consumers) {
    await consumer.kill("SIGKILL");
    await postMany(stack.producers[0]!.url, 500, 1000);
    await redisClient.flushall();
    expect(await countJobs(sql)).toMatchObject({ pending: 500, completed: accepted });
    accepted += 500;
    const counts = await until("all jobs have ended", () => countsIfSettled(sql));
    expect(counts).toEqual(allCompleted(accepted));
    await consumer.restart();
  }
});
