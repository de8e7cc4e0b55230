import type { Job } from "@toril/client";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
});

afterAll(() => stack[Symbol.asyncDispose]());

test.concurrent("a job that fails in every attempt is dead after the third, with the error", async () => {
  const { id } = await stack.client.createJob(echo("hopeless", { failures: 5 }));
  expect(await _ended(id)).toMatchObject({
    status: "dead",
    state: null,
    attempts: { made: 3, max: 3 },
    result: null,
    error: { name: "Error", message: "failed as configured: attempt 3 of 5" },
  });
});

test.concurrent("the default backoff is at least one, two and four seconds", async () => {
  const { id } = await stack.client.createJob({ ...echo("retried", { failures: 3 }), attempts: 4 });
  expect(await _ended(id)).toMatchObject({ status: "completed", attempts: { made: 4, max: 4 } });
  const { failures, settledAt } = await stack.client.getJob(id);
  const times = [...failures.map(({ at }) => at), settledAt!].map((at) => Date.parse(at));
  const waits = times.slice(1).map((time, index) => time - times[index]!);
  for (const [index, atLeast] of [1000, 2000, 4000].entries()) {
    // A failure is recorded a moment after BullMQ computed the delay.
    expect(waits[index]).toBeGreaterThan(atLeast - 100);
  }
});

test.concurrent("a job with one attempt is dead after its first failure", async () => {
  const { id } = await stack.client.createJob({ ...echo("once", { failures: 1 }), attempts: 1 });
  expect(await _ended(id)).toMatchObject({ status: "dead", attempts: { made: 1, max: 1 } });
});

test.concurrent("a job that fails twice is delayed and completes in its third attempt", async () => {
  const { id } = await stack.client.createJob(echo("third time", { failures: 2 }));
  await _waitForState(id, "delayed");
  expect(await _ended(id)).toMatchObject({
    status: "completed",
    attempts: { made: 3, max: 3 },
    result: { message: "third time" },
    error: null,
  });
});

test.concurrent("a long job is active until it ends", async () => {
  const { id } = await stack.client.createJob(echo("slow", { sleepMs: 3000 }));
  await _waitForState(id, "active");
  expect(await _ended(id)).toMatchObject({ status: "completed", attempts: { made: 1 } });
});

test.concurrent("a delayed job does not start before it is due", async () => {
  const { id, runAt } = await stack.client.createJob({ ...echo("later"), delayMs: 4000 });
  await _waitForState(id, "delayed");
  const { status, settledAt } = await _ended(id);
  expect(status).toBe("completed");
  expect(Date.parse(settledAt!)).toBeGreaterThanOrEqual(Date.parse(runAt!));
});

function _ended(id: string): Promise<Job> {
  return stack.until("the job has ended", async () => {
    const job = await stack.client.getJob(id);
    return job.status === "pending" ? undefined : job;
  });
}

async function _waitForState(id: string, state: Job["state"]) {
  await stack.until(`the job is ${state}`, async () => {
    const job = await stack.client.getJob(id);
    return job.state === state || undefined;
  });
}
