import { afterAll, beforeAll, expect, test } from "bun:test";
import { _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const _accept = () => world.accept({ type: "echo", data: { message: "hello" } });

test("a rate limit delays further jobs", async () => {
  await using _consumer = await _startConsumer(world, {
    env: { WORKER_RATE_LIMIT_MAX: "2", WORKER_RATE_LIMIT_DURATION_MS: "3600000" },
  });
  const jobs = [await _accept(), await _accept(), await _accept()];
  for (const { id } of jobs.slice(0, 2)) await world.waitUntilRemoved(id);

  const queue = world.queue();
  expect(await queue.getRateLimitTtl(2)).toBeGreaterThan(3_000_000);
  expect(await world.redis.lrange(world.keys().wait, 0, -1)).toEqual([jobs[2]?.id ?? ""]);
  await queue.obliterate({ force: true });
  await queue.close();
});

test("concurrency limits the active jobs of a queue, and other queues are not served", async () => {
  const held = _signal();
  let running = 0;
  let most = 0;
  await using _consumer = await _startConsumer(world, {
    env: { WORKER_CONCURRENCY: "3", BULL_QUEUE_NAME: "default" },
    handlers: {
      async echo({ message }) {
        most = Math.max(most, ++running);
        await held.promise;
        running -= 1;
        return { message };
      },
    },
  });
  const data = { importId: Bun.randomUUIDv7(), row: 1, values: {} };
  const other = await world.accept({ type: "row.import", data });
  const jobs = await Promise.all(Array.from({ length: 10 }, _accept));
  await _until(() => running === 3);
  held.resolve();

  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  expect(most).toBe(3);
  expect(await world.redis.lrange(world.keys("imports").wait, 0, -1)).toEqual([other.id]);
});
