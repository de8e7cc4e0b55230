import { afterEach, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext } from "../src/worker/handler.ts";
import { _emptyTables, _jobIn, _openWorld, _signal, _startConsumer, _until } from "./_world.ts";

const world = await _openWorld();
afterEach(async () => {
  await _emptyTables(world.sql, "jobs", "imports");
});

const past = new Date(Date.now() - 60_000);
const future = new Date(Date.now() + 60_000);
const echo = (message: string, more: object = {}) =>
  ({ type: "echo", data: { message }, ...more }) as const;

test("jobs start by order and priority: lifo, then fifo, then by priority number", async () => {
  for (const [message, options] of [
    ["late", { priority: 9 }],
    ["soon", { priority: 1 }],
    ["first", {}],
    ["second", {}],
    ["front", { order: "lifo" }],
  ] as const) {
    await world.accept(echo(message, options));
  }
  const ran: string[] = [];
  await using _ = await _startConsumer(world, {
    env: { WORKER_CONCURRENCY: "1" },
    handlers: {
      async echo({ message }) {
        ran.push(message);
        return { message };
      },
    },
  });
  await _until(() => ran.length === 5);
  expect(ran).toEqual(["front", "first", "second", "soon", "late"]);
});

test("an attempt that exceeds its timeout is aborted, fails, and is retried", async () => {
  const signals: AbortSignal[] = [];
  await using _ = await _startConsumer(world, {
    handlers: {
      async echo({ message }, context: HandlerContext) {
        signals.push(context.signal);
        if (context.attempt === 1) await sleep(60_000, undefined, { signal: context.signal });
        return { message };
      },
    },
  });
  const backoff = { type: "fixed", delay: 0 } as const;
  const job = await world.accept(echo("a", { timeoutMs: 2000, backoff }));
  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", attempts: 2 });
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
});

test("a handler that ignores its abort signal is abandoned after the timeout", async () => {
  const { promise: released, resolve: release } = _signal();
  await using _ = await _startConsumer(world, {
    handlers: {
      async echo({ message }) {
        await released;
        return { message };
      },
    },
  });
  const job = await world.accept(echo("a", { timeoutMs: 50, attempts: 1 }));
  expect(await world.waitForEnd(job.id)).toMatchObject({
    status: "dead",
    error: { name: "TimedOut", message: "The attempt took longer than 50 ms." },
  });
  release();
});

test("exponential delays do not exceed their maximum", async () => {
  const backoff = { type: "exponential", delay: 60_000, max: 10 } as const;
  await using _ = await _startConsumer(world);
  const data = { message: "a", failures: 3 };
  const job = await world.accept({ type: "echo", data, attempts: 4, backoff });
  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", attempts: 4 });
});

test("a worker does not run an expired job", async () => {
  const importId = crypto.randomUUID();
  await world.sql`
    insert into imports (id, type, status, read, accepted) values (${importId}, 'echo', 'received', 1, 1)`;
  const job = await world.record(echo("a"), importId);
  await world.dispatchJob(job, { expiresAt: past.getTime() });
  const ran: string[] = [];
  await using _ = await _startConsumer(world, {
    handlers: {
      async echo({ message }) {
        ran.push(message);
        return { message };
      },
    },
  });
  expect(await world.waitForEnd(job.id)).toMatchObject({
    status: "expired",
    error: { name: "Expired" },
  });
  await world.waitUntilRemoved(job.id);
  expect(ran).toEqual([]);
  expect([...(await world.sql`select completed, expired from imports`)]).toEqual([
    { completed: 0, expired: 1 },
  ]);
});

test("the reconciler expires jobs that no worker takes, and removes them from Redis", async () => {
  const jobs = [
    await world.accept(echo("waiting")),
    await world.accept(echo("delayed", { runAt: future.toISOString() })),
    await world.accept(echo("prioritized", { priority: 3 })),
    await world.record(echo("missing")),
  ];
  const other = await world.accept(echo("not yet"));
  await world.sql`update jobs set expires_at = ${past} where id = any(${jobs.map((job) => job.id)})`;
  await world.sql`update jobs set expires_at = ${future} where id = ${other.id}`;
  await using _ = await _startConsumer(world, { env: { BULL_QUEUE_NAME: "imports" } });
  for (const job of jobs) {
    expect((await world.waitForEnd(job.id))?.["status"]).toBe("expired");
    await world.waitUntilRemoved(job.id);
  }
  const { wait, delayed, prioritized, events } = world.keys();
  const published = (await world.redis.xrange(events, "-", "+")).map(([, fields]) =>
    fields.join(" "),
  );
  for (const { id } of jobs) expect(published).toContain(`event removed jobId ${id}`);
  expect(await world.redis.lrange(wait, 0, -1)).toEqual([other.id]);
  expect(await world.redis.zcard(delayed)).toBe(0);
  expect(await world.redis.zcard(prioritized)).toBe(0);
  expect((await world.getRow(other.id))?.["status"]).toBe("pending");
  await world.redis.del(wait);
});

test("a job that started in time does not expire", async () => {
  const started = _signal();
  const released = _signal();
  await using _ = await _startConsumer(world, {
    handlers: {
      async echo({ message }) {
        if (message === "fails") throw new Error("not now");
        started.resolve();
        await released.promise;
        return { message };
      },
    },
  });
  const backoff = { type: "fixed", delay: 600_000 } as const;
  const retried = await world.accept(echo("fails", { backoff }));
  const running = await world.accept(echo("runs"));
  const late = await world.record(echo("late"));
  await _jobIn(world.queue(), "delayed", retried.id);
  await started.promise;
  await world.sql`update jobs set expires_at = ${past}`;
  // The reconciler has looked for expired jobs.
  expect((await world.waitForEnd(late.id))?.["status"]).toBe("expired");
  released.resolve();
  expect((await world.waitForEnd(running.id))?.["status"]).toBe("completed");
  expect((await world.getRow(retried.id))?.["status"]).toBe("pending");
});
