import { afterAll, afterEach, expect, test } from "bun:test";
import { hostname } from "node:os";
import { readLiveDetail } from "@toril/contract/engine/redis/live-detail";
import type { HandlerContext } from "../src/worker/handler.ts";
import { _jobIn, _openWorld, _startConsumer, _until } from "./_world.ts";

const world = await _openWorld();
afterAll(() => world[Symbol.asyncDispose]());
afterEach(async () => {
  await world.sql`delete from jobs`;
});

const soon = { type: "fixed", delay: 1 } as const;
const late = { type: "fixed", delay: 600_000 } as const;

test("errors of attempts are visible while the job is pending, and stored when it has ended", async () => {
  await using _ = await _startConsumer(world);
  const data = { message: "a", failures: 1 };
  const retried = await world.accept({ type: "echo", data, backoff: late });
  await _jobIn(world.queue(), "delayed", retried.id);
  const live = { queue: "default", bullId: retried.id };
  const detail = await readLiveDetail(world.redis, world.prefix, live);
  const failure = { attempt: 1, name: "Error", message: "failed as configured: attempt 1 of 1" };
  expect(detail.failures).toMatchObject([failure]);

  const done = await world.accept({ type: "echo", data, backoff: soon });
  const ran = { worker: `${hostname()}:${process.pid}` };
  expect(await world.waitForEnd(done.id)).toMatchObject({
    status: "completed",
    attempts: 2,
    started_at: expect.any(Date),
    duration_ms: expect.any(Number),
    ...ran,
    failures: [
      { ...failure, startedAt: expect.any(String), durationMs: expect.any(Number), ...ran },
    ],
  });

  const dead = await world.accept({
    type: "echo",
    data: { message: "a", failures: 3 },
    attempts: 2,
    backoff: soon,
  });
  const row = await world.waitForEnd(dead.id);
  expect(row?.["failures"]).toMatchObject([{ attempt: 1 }, { attempt: 2 }]);
  expect(row?.["error"]).toMatchObject({ message: row?.["failures"][1].message });

  const well = await world.accept({ type: "echo", data: { message: "a" } });
  expect(await world.waitForEnd(well.id)).toMatchObject({ failures: null, log: null });
});

test("only the last errors of many attempts are stored", async () => {
  await using _ = await _startConsumer(world);
  const data = { message: "a", failures: 12 };
  const job = await world.accept({ type: "echo", data, attempts: 13, backoff: soon });
  const failures = (await world.waitForEnd(job.id))?.["failures"] as { attempt: number }[];
  expect(failures.map(({ attempt }) => attempt)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test("the last log lines of a handler are visible during the attempt, and stored", async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using _ = await _startConsumer(world, {
    handlers: {
      async echo({ message }, { log }: HandlerContext) {
        for (let line = 1; line <= 25; line += 1) log.info({ line }, "step");
        log.warn(new TypeError("odd"));
        await released;
        return { message };
      },
    },
  });
  const job = await world.accept({ type: "echo", data: { message: "a" } });
  const live = { queue: "default", bullId: job.id };
  const readLines = async () => (await readLiveDetail(world.redis, world.prefix, live)).log;
  await _until(async () => (await readLines()).at(-1)?.level === "warn");
  const lines = await readLines();
  expect(lines).toHaveLength(20);
  expect(lines.at(-2)).toMatchObject({ level: "info", message: 'step {"line":25}' });
  expect(lines.at(-1)?.message).toBe("TypeError: odd");
  release();
  expect((await world.waitForEnd(job.id))?.["log"]).toEqual(lines);
});
