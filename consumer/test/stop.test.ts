import { afterAll, beforeAll, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const _accept = (message: string) => world.accept({ type: "echo", data: { message } });

test("a handler that ignores the shutdown is abandoned, and its job runs on another consumer", async () => {
  const starting = _signal();
  const finish = _signal();
  const consumer = await _startConsumer(world, {
    env: { WORKER_LOCK_DURATION_MS: "3000" },
    handlers: {
      async echo({ message }) {
        starting.resolve();
        await finish.promise;
        return { message };
      },
    },
  });
  const { id } = await _accept("stubborn");
  await starting.promise;

  expect(await consumer.close(AbortSignal.abort())).toBe(false);

  expect(await world.getRow(id)).toMatchObject({ status: "pending" });
  await using _other = await _startConsumer(world);
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 2 });
  finish.resolve();
});

test("a handler that is aborted at the deadline has its job requeued without using an attempt", async () => {
  const starting = _signal();
  const consumer = await _startConsumer(world, {
    handlers: {
      async echo(_, { signal }) {
        starting.resolve();
        await sleep(60_000, undefined, { signal });
        throw new Error("never");
      },
    },
  });
  const { id } = await _accept("retryingLedger");
  await starting.promise;

  expect(await consumer.close(AbortSignal.abort())).toBe(true);

  expect(await world.redis.lrange(world.keys().wait, 0, -1)).toEqual([id]);
  expect(await world.getHash(id)).not.toHaveProperty("atm");
  await using _other = await _startConsumer(world);
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
});

test("active jobs finish and are acknowledged before the consumer stops, and no further job starts", async () => {
  const held = _signal();
  const started: string[] = [];
  const consumer = await _startConsumer(world, {
    env: { WORKER_CONCURRENCY: "1" },
    handlers: {
      async echo({ message }) {
        started.push(message);
        await held.promise;
        return { message };
      },
    },
  });
  const first = await _accept("first");
  await _until(() => started.length === 1);
  const second = await _accept("second");

  const closing = consumer.close(AbortSignal.timeout(60_000));
  held.resolve();

  expect(await closing).toBe(true);
  expect(await world.getRow(first.id)).toMatchObject({ status: "completed" });
  expect(await world.getHash(first.id)).toEqual({});
  expect(started).toEqual(["first"]);
  expect(await world.redis.lrange(world.keys().wait, 0, -1)).toEqual([second.id]);
});
