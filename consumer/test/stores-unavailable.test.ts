import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lockKey } from "@toril/contract/engine/redis/names";
import { _openWorld, _signal, _startConsumer, _startProxy, _until, type _World } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const _accept = (message: string) => world.accept({ type: "echo", data: { message } });

/** Creates a log that tests can wait for. */
function _createLines() {
  const lines: Record<string, unknown>[] = [];
  return {
    lines,
    log: (line: Record<string, unknown>) => lines.push(line),
    heard: (text: string) => _until(() => lines.some((line) => line["msg"] === text)),
  };
}

describe("while Postgres is unavailable", () => {
  test("results are held, locks are renewed, no job starts and nothing is acknowledged", async () => {
    await using postgres = await _startProxy(world.databaseUrl);
    const { lines, log, heard } = _createLines();
    const held = _signal();
    const started: string[] = [];
    await using _consumer = await _startConsumer(
      { ...world, databaseUrl: postgres.url },
      {
        log,
        env: { WORKER_LOCK_DURATION_MS: "5000" },
        handlers: {
          async echo({ message }) {
            started.push(message);
            lines.push({ msg: `started ${message}` });
            if (message === "first") await held.promise;
            return { message };
          },
        },
      },
    );
    const first = await _accept("first");
    await heard("started first");

    postgres.disconnect();
    held.resolve();
    await heard("Postgres is unavailable: no further job starts");
    const second = await _accept("second");
    const lock = lockKey(world.prefix, "default", first.id);
    // The lock was renewed if its remaining time increased twice.
    let left = await world.redis.pttl(lock);
    for (let renewals = 0; renewals < 2;) {
      const now = await _until(() => world.redis.pttl(lock));
      if (now > left) renewals += 1;
      left = now;
    }
    expect(await world.redis.lrange(world.keys().active, 0, -1)).toContain(first.id);
    expect(await world.getRow(first.id)).toMatchObject({ status: "pending" });
    expect(started).toEqual(["first"]);

    postgres.reconnect();
    expect(await world.waitForEnd(first.id)).toMatchObject({ status: "completed", attempts: 1 });
    expect(await world.waitForEnd(second.id)).toMatchObject({ status: "completed", attempts: 1 });
    const messages = lines.map((line) => line["msg"]);
    expect(messages.indexOf("Postgres is available again")).toBeLessThan(
      messages.indexOf("started second"),
    );
    expect(started).toEqual(["first", "second"]);
  });

  test("the consumer stops at its deadline, and another consumer runs its jobs", async () => {
    await using postgres = await _startProxy(world.databaseUrl);
    const { log, heard } = _createLines();
    const held = _signal();
    const starting = _signal();
    const consumer = await _startConsumer(
      { ...world, databaseUrl: postgres.url },
      {
        log,
        env: { WORKER_LOCK_DURATION_MS: "3000" },
        handlers: {
          async echo({ message }) {
            starting.resolve();
            await held.promise;
            return { message };
          },
        },
      },
    );
    const { id } = await _accept("left");
    await starting.promise;
    postgres.disconnect();
    held.resolve();
    await heard("Postgres is unavailable: no further job starts");

    expect(await consumer.close(AbortSignal.abort())).toBe(false);

    await using _other = await _startConsumer(world);
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 2 });
  });
});

describe("while Redis is unavailable", () => {
  test("the consumer stops at its deadline", async () => {
    await using redis = await _startProxy(world.redisUrl);
    const { log, heard } = _createLines();
    const consumer = await _startConsumer({ ...world, redisUrl: redis.url }, { log });
    const { id } = await _accept("before");
    await world.waitForEnd(id);
    redis.disconnect();
    await heard("Redis connection error");

    // Resolves; to false only if the connection for commands has noticed the loss already.
    await consumer.close(AbortSignal.abort());
  });

  test("results are settled, and acknowledged when Redis is available again", async () => {
    await using redis = await _startProxy(world.redisUrl);
    const held = _signal();
    const starting = _signal();
    await using _consumer = await _startConsumer(
      { ...world, redisUrl: redis.url },
      {
        handlers: {
          async echo({ message }) {
            starting.resolve();
            await held.promise;
            return { message };
          },
        },
      },
    );
    const { id } = await _accept("recorded");
    await starting.promise;
    redis.disconnect();
    held.resolve();

    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
    expect(await world.redis.lrange(world.keys().active, 0, -1)).toContain(id);
    redis.reconnect();
    await world.waitUntilRemoved(id);
  });
});

test("a consumer that starts while both stores are unavailable works when they become available", async () => {
  await using redis = await _startProxy(world.redisUrl);
  await using postgres = await _startProxy(world.databaseUrl);
  redis.disconnect();
  postgres.disconnect();
  await using _consumer = await _startConsumer({
    ...world,
    redisUrl: redis.url,
    databaseUrl: postgres.url,
  });
  const { id } = await _accept("early");

  redis.reconnect();
  postgres.reconnect();

  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
});

describe("a cancelled job that is still in Redis", () => {
  test("runs only when it was dispatched moments ago and Redis has been available since", async () => {
    await using redis = await _startProxy(world.redisUrl);
    const ran = new Set<string>();
    await using _consumer = await _startConsumer(
      { ...world, redisUrl: redis.url },
      {
        handlers: {
          async echo({ message }, { id }) {
            ran.add(id);
            return { message };
          },
        },
      },
    );
    const runsCancelled = async (recovered: boolean) => {
      const job = await world.record({ type: "echo", data: { message: "cancelled" } });
      await world.sql`update jobs set status = 'cancelled' where id = ${job.id}`;
      await world.dispatchJob(job, { recovered });
      await world.waitUntilRemoved(job.id);
      expect(await world.getRow(job.id)).toMatchObject({ status: "cancelled", result: null });
      return ran.has(job.id);
    };

    expect(await runsCancelled(false)).toBe(false);
    await _until(() => runsCancelled(false));
    expect(await runsCancelled(true)).toBe(false);
    redis.disconnect();
    redis.reconnect();
    expect(await runsCancelled(false)).toBe(false);
  });
});
