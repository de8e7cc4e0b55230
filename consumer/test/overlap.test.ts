import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { bullName, lockKey } from "@toril/contract/engine/redis/names";
import { Worker } from "bullmq";
import { _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const _accept = (message: string, attempts?: number) =>
  world.accept({ type: "echo", data: { message }, attempts });

/** Takes the next job like a worker that dies at once. */
async function _takeAndDie() {
  const connection = world.redis.duplicate({ maxRetriesPerRequest: null });
  const worker = new Worker(bullName("default"), undefined, {
    connection,
    prefix: world.prefix,
    lockDuration: 1,
    name: "host:1",
  });
  const job = await worker.getNextJob("dead worker");
  await worker.close(true);
  connection.disconnect();
  return job?.id;
}

test("a job that stalled too often is dead, although no handler ran", async () => {
  const { id } = await _accept("stalls");
  expect(await _takeAndDie()).toBe(id);
  let hasRun = false;
  await using _consumer = await _startConsumer(world, {
    env: { WORKER_MAX_STALLED_COUNT: "0" },
    handlers: {
      async echo({ message }) {
        hasRun = true;
        return { message };
      },
    },
  });

  expect(await world.waitForEnd(id)).toMatchObject({
    status: "dead",
    error: { message: "job stalled more than allowable limit" },
    attempts: 1,
    failures: [{ attempt: 1, name: "AttemptLost", worker: "host:1" }],
  });
  expect(hasRun).toBe(false);
});

test("a job whose worker died gets another attempt, and keeps start and worker of the lost attempt", async () => {
  const { id } = await _accept("again");
  expect(await _takeAndDie()).toBe(id);
  const { processedOn } = await world.getHash(id);
  await using _consumer = await _startConsumer(world);

  const startedAt = new Date(Number(processedOn)).toISOString();
  expect(await world.waitForEnd(id)).toMatchObject({
    status: "completed",
    attempts: 2,
    failures: [{ attempt: 1, name: "AttemptLost", startedAt, durationMs: null, worker: "host:1" }],
  });
});

test("a job that was settled but not acknowledged is acknowledged without an attempt", async () => {
  const { id } = await _accept("settled");
  expect(await _takeAndDie()).toBe(id);
  await world.sql`
    update jobs set status = 'completed', result = '{"message":"first"}' where id = ${id}`;
  let hasRun = false;
  await using _consumer = await _startConsumer(world, {
    handlers: {
      async echo({ message }) {
        hasRun = true;
        return { message };
      },
    },
  });

  await world.waitUntilRemoved(id);
  expect(hasRun).toBe(false);
  expect(await world.getRow(id)).toMatchObject({ result: { message: "first" } });
});

describe("two attempts that overlap after a lost lock", () => {
  test("the attempt that completes first decides the result", async () => {
    const held = _signal();
    const firstEnded = _signal();
    let starts = 0;
    await using _consumer = await _startConsumer(world, {
      handlers: {
        async echo() {
          const start = ++starts;
          if (start === 1) {
            await held.promise;
            firstEnded.resolve();
          }
          return { message: `run ${start}` };
        },
      },
    });
    const { id } = await _accept("twice");
    await _until(() => starts === 1);
    await world.redis.del(lockKey(world.prefix, "default", id));

    expect(await world.waitForEnd(id)).toMatchObject({ result: { message: "run 2" } });
    await world.waitUntilRemoved(id);
    held.resolve();
    await firstEnded.promise;
    await _consumer.close();

    expect(await world.getRow(id)).toMatchObject({ result: { message: "run 2" }, attempts: 2 });
  });

  test("the attempt that lost the lock cannot fail the job", async () => {
    const first = _signal();
    const second = _signal();
    const lines: Record<string, unknown>[] = [];
    let starts = 0;
    await using consumer = await _startConsumer(world, {
      log: (line) => lines.push(line),
      handlers: {
        async echo({ message }) {
          if (++starts === 1) {
            await first.promise;
            throw new Error("too late");
          }
          await second.promise;
          return { message };
        },
      },
    });
    const { id } = await _accept("twice", 1);
    await _until(() => starts === 1);
    await world.redis.del(lockKey(world.prefix, "default", id));
    await _until(() => starts === 2);
    first.resolve();
    await _until(() =>
      lines.some((line) => line["msg"] === "attempt lost the job's lock to another attempt"),
    );

    expect(await world.getRow(id)).toMatchObject({ status: "pending" });
    second.resolve();
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", error: null });
    await consumer.close();
  });
});
