import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Queue } from "bullmq";
import type { echo } from "@toril/contract/api/job-types/echo";
import { settledReturnValue } from "@toril/contract/engine/redis/names";
import { NonRetryableError, type Handler, RetryAfterError } from "../src/worker/handler.ts";
import { _jobIn, _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
let queue: Queue;

/** Handlers of the next jobs, by message. */
const acts = new Map<string, Handler<typeof echo>>();
const runs = new Map<string, number[]>();

beforeAll(async () => {
  world = await _openWorld();
  queue = world.queue();
  consumer = await _startConsumer(world, {
    handlers: {
      async echo(data, context) {
        runs.set(data.message, [...(runs.get(data.message) ?? []), context.attempt]);
        const act = acts.get(data.message);
        return act === undefined ? { message: data.message } : act(data, context);
      },
    },
  });
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  await queue.close();
  await world[Symbol.asyncDispose]();
});

let serial = 0;
async function _accept(act: Handler<typeof echo>, attempts?: number) {
  const message = `job ${++serial}`;
  acts.set(message, act);
  const { id } = await world.accept({ type: "echo", data: { message }, attempts });
  return { id, message, runs: () => runs.get(message) };
}

/** Waits until BullMQ delays the job before its next attempt. */
const _delayed = (id: string) => _jobIn(queue, "delayed", id);

describe("a job whose attempts fail", () => {
  test("gets three attempts, 1 s and 2 s apart, and is dead with the last error", async () => {
    let failures = 0;
    const { id, runs } = await _accept(async () => {
      throw new RangeError(`failure ${++failures}`);
    });

    const first = await _delayed(id);
    expect([first.delay, first.attemptsMade, first.failedReason]).toEqual([
      1000,
      1,
      "RangeError: failure 1",
    ]);
    expect(await world.getRow(id)).toMatchObject({ status: "pending", error: null });
    await first.promote();
    await _until(() => failures === 2);
    const second = await _delayed(id);
    expect([second.delay, second.attemptsMade]).toEqual([2000, 2]);
    await second.promote();

    const row = await world.waitForEnd(id);
    expect(row).toMatchObject({ status: "dead", attempts: 3, result: null });
    expect(row["error"]).toMatchObject({ name: "RangeError", message: "failure 3" });
    expect(row["error"].stack).toContain("attempt-errors.test.ts");
    expect(runs()).toEqual([1, 2, 3]);
    const failed = await _jobIn(queue, "failed", id);
    expect(failed.failedReason).toBe("RangeError: failure 3");
  });

  test("completes when a later attempt succeeds", async () => {
    const { id, runs } = await _accept(async ({ message }, { attempt }) => {
      if (attempt === 1) throw new Error("not yet");
      return { message };
    });

    await (await _delayed(id)).promote();

    expect(await world.waitForEnd(id)).toMatchObject({
      status: "completed",
      attempts: 2,
      error: null,
    });
    expect(runs()).toEqual([1, 2]);
    await world.waitUntilRemoved(id);
  });

  test("is dead after its first failure when attempts is 1", async () => {
    const { id, runs } = await _accept(async () => {
      throw new Error("no");
    }, 1);

    expect(await world.waitForEnd(id)).toMatchObject({ status: "dead", attempts: 1 });
    expect(runs()).toEqual([1]);
  });

  test("is dead at once when its handler throws NonRetryableError", async () => {
    const { id, runs } = await _accept(async () => {
      throw new NonRetryableError("there is no such feed");
    });

    expect(await world.waitForEnd(id)).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "NonRetryableError", message: "there is no such feed" },
    });
    expect(runs()).toEqual([1]);
  });

  test("is delayed until the time of a RetryAfterError, without using an attempt", async () => {
    const at = new Date(Date.now() + 3_600_000);
    let starts = 0;
    const { id, runs } = await _accept(async ({ message }) => {
      if (++starts <= 4) throw new RetryAfterError(at, "too many requests");
      return { message };
    }, 2);

    for (let start = 1; start <= 4; start += 1) {
      await _until(() => starts === start);
      const job = await _delayed(id);
      expect(job.attemptsMade).toBe(0);
      expect(job.timestamp + job.delay).toBeLessThan(at.getTime() + 10_000);
      expect(job.delay).toBeGreaterThan(3_500_000);
      await job.promote();
    }

    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
    expect(runs()).toEqual([1, 1, 1, 1, 1]);
  });
});

describe("a thrown value", () => {
  test("is stored truncated and without characters that Postgres refuses, and passed to BullMQ as one line", async () => {
    const { id } = await _accept(async () => {
      const error = new NonRetryableError(`\0bad \ud800 ${"x".repeat(5000)}`);
      error.stack = `\0${"s".repeat(50_000)}`;
      throw error;
    });

    const { error } = await world.waitForEnd(id);
    expect(error.message).toStartWith("\uFFFDbad \uFFFD xxx");
    expect(error.message.length).toBe(1000);
    expect(error.stack.length).toBe(8000);
    const { failedReason } = await _until(async () => {
      const hash = await world.getHash(id);
      return hash["failedReason"] !== undefined && hash;
    });
    expect(failedReason?.length).toBe(1000);
  });

  test.each([
    ["a text", "no", { name: "Error", message: "no" }],
    ["nothing", undefined, { name: "Error", message: "undefined" }],
    [
      "an object whose properties throw",
      {
        toString() {
          throw new Error("never");
        },
      },
      { name: "Error", message: "The thrown value cannot be read." },
    ],
  ])("may be %s and is stored as an error", async (_, thrown, error) => {
    const { id } = await _accept(async () => {
      throw thrown;
    }, 1);

    expect(await world.waitForEnd(id)).toMatchObject({ status: "dead", error });
  });

  test.each(["bullmq:rateLimitExceeded", "DelayedError", "UnrecoverableError"])(
    "counts as a failure when it looks like BullMQ's own %s",
    async (text) => {
      const { id } = await _accept(async () => {
        const error = new Error(text);
        error.name = text;
        throw error;
      });

      const job = await _delayed(id);
      expect(job.attemptsMade).toBe(1);
      await job.remove();
    },
  );
});

describe("a job that cannot start", () => {
  test("is dead at once when its data does not match the schema of its type", async () => {
    const job = await world.record({ type: "echo", data: { message: "" } });
    await world.dispatchJob({ ...job, data: '{"message":7}' });

    const row = await world.waitForEnd(job.id);

    expect(row).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "NonRetryableError" },
    });
    expect(row["error"].message).toContain("message");
  });

  test("is delayed for a newer consumer when its type is unknown", async () => {
    const job = await world.record({ type: "echo", data: { message: "" } });
    await world.dispatchJob({ ...job, type: "echo.v2" });

    const delayed = await _delayed(job.id);

    expect(delayed.delay).toBeWithin(29_000, 30_001);
    expect(delayed.attemptsMade).toBe(0);
    expect(await world.getRow(job.id)).toMatchObject({ status: "pending" });
    await delayed.remove();
  });

  test("fails in BullMQ and stays there when its id is not Toril's", async () => {
    await queue.add("echo", { message: "foreign" }, { jobId: "foreign-1" });

    const failed = await _jobIn(queue, "failed", "foreign-1");
    expect(failed.failedReason).toBe("This job was not enqueued by Toril.");
    expect(runs.get("foreign")).toBeUndefined();
  });
});

describe("a result", () => {
  test.each([
    ["that Postgres does not store", { message: "\0" }, "ResultNotStorable"],
    ["that is no JSON", { message: 1n }, "InvalidResult"],
  ])("%s makes its job dead, but not the other jobs of the batch", async (_, result, name) => {
    const others = await Promise.all(
      Array.from({ length: 20 }, () => _accept(async ({ message }) => ({ message }))),
    );
    const { id } = await _accept(async () => result as never, 1);

    expect(await world.waitForEnd(id)).toMatchObject({ status: "dead", error: { name } });
    for (const other of others) {
      expect(await world.waitForEnd(other.id)).toMatchObject({ status: "completed" });
    }
  });

  test("that does not match the schema of the job type fails the attempt", async () => {
    const { id } = await _accept(async () => ({ text: "no message" }) as never);

    const job = await _delayed(id);

    expect(job.failedReason).toStartWith("InvalidResult: ");
    await job.remove();
  });
});

test("a completed job leaves its result in the ledger and nothing in Redis", async () => {
  const { id, message } = await _accept(async (data) => ({ message: data.message }));

  expect(await world.waitForEnd(id)).toMatchObject({
    status: "completed",
    attempts: 1,
    result: { message },
    error: null,
    settled_at: expect.any(Date),
  });
  await world.waitUntilRemoved(id);
  const events = await world.redis.xrange(world.keys().events, "-", "+");
  const completed = events.find(
    ([, fields]) => fields.includes(id) && fields.includes("completed"),
  );
  expect(completed?.[1]).toContain(JSON.stringify(settledReturnValue));
});
