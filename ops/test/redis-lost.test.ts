import { createClient, type Import } from "@toril/client";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";

import { echo, postJob, postMany } from "./_api.ts";
import { allCompleted, countJobs, countsIfSettled, deleteJobs } from "./_ledger.ts";
import { startStack, type Stack } from "./_stack.ts";

/** Default of REQUEST_TIMEOUT_MS. */
const deadlineMs = 5000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterEach(() => deleteJobs(stack.sql));
afterAll(() => stack[Symbol.asyncDispose]());

test("while Redis is down, jobs are accepted, and they complete when it is back without its data", async () => {
  await stack.redis.kill("SIGKILL");
  const before = await _acceptWithoutRedis(stack);
  await stack.redis.restart();
  const after = await _acceptWithRedis(stack);
  const counts = await stack.until("every job has ended", () => countsIfSettled(stack.sql));
  expect(counts).toEqual(allCompleted(before + after));
});

test("while Redis does not respond, jobs are accepted, and they complete when it does again", async () => {
  await stack.redis.kill("SIGSTOP");
  const before = await _acceptWithoutRedis(stack);
  await stack.redis.kill("SIGCONT");
  const after = await _acceptWithRedis(stack);
  const counts = await stack.until("every job has ended", () => countsIfSettled(stack.sql));
  expect(counts).toEqual(allCompleted(before + after));
});

test("after FLUSHALL, a consumer that starts later completes all pending jobs", async () => {
  await stack.consumers[0]!.kill("SIGKILL");
  await postMany(stack.producers[0]!.url, 1000);
  await stack.redisClient.flushall();
  expect(await stack.redisClient.dbsize()).toBe(0);
  await stack.consumers[0]!.restart();
  const counts = await stack.until("every job has ended", () => countsIfSettled(stack.sql));
  expect(counts).toEqual(allCompleted(1000));
});

test("after FLUSHALL, a running consumer completes all pending jobs", async () => {
  const { sql, redisClient, until } = stack;
  await postMany(stack.producers[0]!.url, 5000);
  await until(
    "some jobs are completed",
    async () => (await countJobs(sql)).completed > 100 || undefined,
  );
  await redisClient.flushall();
  expect((await countJobs(sql)).pending).toBeGreaterThan(1000);
  const counts = await until("every job has ended", () => countsIfSettled(sql));
  expect(counts).toEqual(allCompleted(5000));
});

test("after FLUSHALL, an import and its event stream go on", async () => {
  const { redisClient, sql } = stack;
  let streams = 0;
  const client = createClient({
    baseUrl: stack.producers[0]!.url,
    fetch(request) {
      if (request.headers.get("accept") === "text/event-stream") streams += 1;
      return fetch(request);
    },
  });
  const { id } = await client.defineImport({ type: "row.import", header: "absent" });
  const bytes = new TextEncoder().encode("1\n".repeat(200));
  await client.putImportPart(id, { number: 1, bytes });

  const completed: number[] = [];
  let last: Import | undefined;
  let isFlushed = false;
  for await (const { data } of client.followImport(id)) {
    last = data;
    completed.push(data.counts.completed);
    if (data.counts.completed !== 200 || isFlushed) continue;
    isFlushed = true;
    await client.pauseQueue("imports");
    await client.putImportPart(id, { number: 2, bytes });
    await redisClient.flushall();
    expect(await client.completeImport(id, 2)).toMatchObject({
      status: "running",
      counts: { accepted: 400, completed: 200 },
    });
    await client.resumeQueue("imports");
  }
  expect(last).toMatchObject({ id, status: "done", counts: { accepted: 400, completed: 400 } });
  expect(completed).toEqual(completed.toSorted((a, b) => a - b));
  expect(streams).toBe(1);
  expect(await countsIfSettled(sql)).toEqual(allCompleted(400));
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
    { status: "degraded", postgres: "ok", redis: "unavailable" },
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
