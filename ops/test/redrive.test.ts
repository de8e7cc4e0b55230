import { jobKey } from "@toril/contract/engine/redis/names";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

const dead = 5000;
let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack[Symbol.asyncDispose]());

test("a redrive of 5,000 dead jobs continues after its consumer was killed", async () => {
  const { client, sql, until } = stack;
  const consumer = stack.consumers[0]!;
  await sql`
    insert into jobs (id, queue, type, data, options, status, attempts, reason, settled_at)
    select gen_random_uuid(), 'default', 'echo', '{"message":"again"}',
           '{"attempts":3,"backoff":{"type":"fixed","delay":1}}', 'dead', 3, 'Error: no', now()
    from generate_series(1, ${dead}::int)`;

  const { id } = await client.createOperation({ action: "retry", filter: { reason: "Error: no" } });
  const seen = () => client.getOperation(id).then(({ counts }) => counts.seen);
  await until("some are redriven", async () => (await seen()) > dead / 10 || undefined);
  await consumer.kill("SIGKILL");
  expect(await seen()).toBeLessThan(dead);
  await consumer.restart();

  const ended = await until("the operation is done", async () => {
    const operation = await client.getOperation(id);
    return operation.status === "done" ? operation : undefined;
  });
  expect(ended.counts).toEqual({ seen: dead, changed: dead, skipped: 0, failed: 0 });
  await until("all jobs are completed", async () => {
    const [row] = await sql`
      select count(*)::int as count from jobs where status = 'completed' and generation = 1`;
    return row?.["count"] === dead || undefined;
  });
});

test("an active job is cancelled on any consumer, and a redriven job that is dead again is in Bull Board", async () => {
  await stack.startConsumer();
  const { client, sql, redisClient, until, producers } = stack;
  const url = producers[0]!.url;
  const running = getJobId(await postJob(url, echo("sleeps", { sleepMs: 60_000 })));
  await until(
    "the job is active",
    async () => (await client.getJob(running)).state === "active" || undefined,
  );
  await client.cancelJob(running);
  await until("the worker has aborted it", async () => {
    return (await redisClient.exists(jobKey("bull", "default", running))) === 0 || undefined;
  });

  const failing = getJobId(
    await postJob(url, { ...echo("fails", { failures: 100 }), attempts: 1 }),
  );
  const hasDied = async () => (await client.getJob(failing)).status === "dead" || undefined;
  await until("the job is dead", hasDied);
  await client.redriveDeadLetter(failing);
  await until("the job is dead again", hasDied);
  const board = `${url}/admin/queues/api/queues?activeQueue=default&status=failed&page=1`;
  await until("Bull Board shows it", async () => {
    const text = await (await fetch(board)).text();
    return text.includes(`${failing}-1`) || undefined;
  });
  const [row] = await sql`select status from jobs where id = ${running}`;
  expect(row).toEqual({ status: "cancelled" });
});
