import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bullId } from "@toril/contract/engine/redis/names";
import { _jobIn, _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
const ran: string[] = [];
const lines: Record<string, unknown>[] = [];

const _restart = () =>
  _startConsumer(world, {
    log: (line) => lines.push(line),
    handlers: {
      async echo({ message }, { id }) {
        ran.push(id);
        if (message === "fails") throw new Error("as scripted");
        return { message };
      },
    },
  });

beforeAll(async () => {
  world = await _openWorld();
  consumer = await _restart();
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const _record = () => world.record({ type: "echo", data: { message: "hello" } });
const _notRunAgain = (jobId: string) =>
  _until(() =>
    lines.find(
      (line) => line["msg"] === "skipped a job that is already settled" && line["jobId"] === jobId,
    ),
  );

describe("a job from Redis", () => {
  test.each(["completed", "dead", "cancelled", "expired"])(
    "is acknowledged without an attempt when its status in the ledger is %s",
    async (status) => {
      const job = await _record();
      await world.sql`
        update jobs set status = ${status}, result = '{"message":"first"}', settled_at = now()
        where id = ${job.id}`;

      await world.dispatchJob(job, { recovered: true });

      await _notRunAgain(job.id);
      await world.waitUntilRemoved(job.id);
      expect(ran).not.toContain(job.id);
      expect(await world.getRow(job.id)).toMatchObject({ status, result: { message: "first" } });
    },
  );

  test("is acknowledged without an attempt when it is an earlier generation", async () => {
    const job = await _record();
    await world.sql`update jobs set generation = 2 where id = ${job.id}`;

    await world.dispatchJob(job, { recovered: true }, 1);

    await _notRunAgain(bullId(job.id, 1));
    expect(ran).not.toContain(job.id);
    await world.dispatchJob(job, { recovered: true }, 2);
    expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", generation: 2 });
    expect(ran.filter((id) => id === job.id)).toHaveLength(1);
  });

  test("is acknowledged without an attempt when the ledger does not know the job", async () => {
    const job = await _record();
    await world.sql`delete from jobs where id = ${job.id}`;

    await world.dispatchJob(job, { recovered: true });

    await _notRunAgain(job.id);
    await world.waitUntilRemoved(job.id);
    expect(ran).not.toContain(job.id);
  });

  test("is loaded from the ledger when Redis has lost its hash", async () => {
    const job = await _record();
    await world.redis
      .multi()
      .lpush(world.keys().wait, job.id)
      .zadd(world.keys().marker, 0, "0")
      .exec();

    expect(await world.waitForEnd(job.id)).toMatchObject({
      status: "completed",
      attempts: 1,
      result: { message: "hello" },
    });
    await world.waitUntilRemoved(job.id);
  });
});

test("a job without a hash is retried as the ledger says, and is dead after its last attempt", async () => {
  const failing = await world.record({
    type: "echo",
    data: { message: "hello", failures: 5 },
    attempts: 2,
  });
  await using _other = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "default" },
    handlers: {
      async echo({ message, failures = 0 }, { attempt }) {
        if (attempt <= failures) throw new Error(`run ${attempt}`);
        return { message };
      },
    },
  });
  await consumer.close();
  await world.redis
    .multi()
    .lpush(world.keys().wait, failing.id)
    .zadd(world.keys().marker, 0, "0")
    .exec();

  const queue = world.queue();
  const delayed = await _jobIn(queue, "delayed", failing.id);
  expect(delayed.delay).toBe(1000);
  await delayed.promote();

  expect(await world.waitForEnd(failing.id)).toMatchObject({
    status: "dead",
    attempts: 2,
    error: { message: "run 2" },
  });
  await queue.close();
});

describe("a job that Redis lost before", () => {
  async function _attempt(echo: (context: { signal: AbortSignal }) => Promise<unknown>) {
    const job = await _record();
    const started = _signal();
    const consumer = await _startConsumer(world, {
      env: { WORKER_LOCK_DURATION_MS: "3000" },
      handlers: {
        async echo({ message }, context) {
          started.resolve();
          await echo(context);
          return { message };
        },
      },
    });
    return { job, started: started.promise, consumer };
  }

  test("is dead after 20 attempts that were lost with their consumers", async () => {
    await consumer.close();
    const { job, started, consumer: killed } = await _attempt(() => new Promise(() => {}));
    await world.sql`update jobs set lost_attempts = 19 where id = ${job.id}`;
    await world.dispatchJob(job, { recovered: true });
    await started;
    expect(await world.getRow(job.id)).toMatchObject({ status: "pending", lost_attempts: 20 });
    // The handler never ends; the abort leaves what a killed process leaves.
    await killed.close(AbortSignal.abort());
    await world.redis.del(`${world.keys().base}${job.id}`);
    await world.dispatchJob(job, { recovered: true });

    consumer = await _restart();
    expect(await world.waitForEnd(job.id)).toMatchObject({
      status: "dead",
      error: { name: "AttemptsLost", message: "20 attempts were lost with their consumers." },
    });
    expect(ran).not.toContain(job.id);
  });

  test("does not count failed and requeued attempts as lost", async () => {
    const failing = await world.record({
      type: "echo",
      data: { message: "fails" },
      backoff: { type: "fixed", delay: 600_000 },
    });
    await world.dispatchJob(failing, { recovered: true });
    await _jobIn(world.queue(), "delayed", failing.id);
    expect(await world.getRow(failing.id)).toMatchObject({ status: "pending", lost_attempts: 0 });
  });
});
