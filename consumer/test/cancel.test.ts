import { afterAll, beforeAll, expect, test } from "bun:test";
import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { createRemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/scripts/remove";
import type { HandlerContext } from "../src/worker/handler.ts";
import { _openWorld, _signal, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let remove: ReturnType<typeof createRemove>;
const consumers: AsyncDisposable[] = [];
type Act = (context: HandlerContext) => Promise<unknown>;
/** Handlers of the next jobs, by message. */
const acts = new Map<string, Act>();

beforeAll(async () => {
  world = await _openWorld();
  const script = await Bun.file(removeScriptUrl).text();
  remove = createRemove(world.redis, { prefix: world.prefix, script });
  for (let count = 0; count < 2; count += 1) {
    consumers.push(
      await _startConsumer(world, {
        handlers: {
          async echo({ message }, context) {
            await acts.get(message)?.(context);
            return { message };
          },
        },
      }),
    );
  }
});
afterAll(async () => {
  for (const consumer of consumers) await consumer[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

let serial = 0;
async function _accept(act: Act, more: object = {}) {
  const message = `job ${++serial}`;
  acts.set(message, act);
  return world.accept({ type: "echo", data: { message }, ...more });
}

/** Starts a job whose handler runs until its signal aborts. */
async function _running() {
  const started = _signal();
  const ended = _signal<unknown>();
  const job = await _accept(({ signal }) => {
    started.resolve();
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        ended.resolve(signal.reason);
        reject(signal.reason as Error);
      });
    });
  });
  await started.promise;
  return { id: job.id, ended: ended.promise };
}

const _cancel = (id: string) => cancelJobs(world.sql, [{ id }]);
const _removeFromRedis = (publish: (channel: string, message: string) => Promise<unknown>) =>
  createRemoveFromRedis({ remove, publish, prefix: world.prefix });
const _publish = (channel: string, message: string) => world.redis.publish(channel, message);

test.each(["Pub/Sub", "the poll of the ledger, when the Pub/Sub message was lost,"])(
  "%s aborts the attempt of a cancelled job, which is not retried and leaves BullMQ",
  async (how) => {
    const { id, ended } = await _running();

    const runs = await _cancel(id);
    await _removeFromRedis(how === "Pub/Sub" ? _publish : async () => {})(runs);

    expect(await ended).toMatchObject({ name: "Cancelled" });
    await world.waitUntilRemoved(id);
    expect(await world.redis.zscore(world.keys().failed, id)).toBeNull();
    expect(await world.getRow(id)).toMatchObject({
      status: "cancelled",
      generation: 0,
      error: { name: "Cancelled" },
      result: null,
      attempts: 1,
      started_at: expect.any(Date),
      duration_ms: expect.any(Number),
      worker: expect.stringContaining(`:${process.pid}`),
    });
  },
);

test("an abort message reaches every consumer", async () => {
  const running = await Promise.all(Array.from({ length: 6 }, () => _running()));

  await _removeFromRedis(_publish)(
    await cancelJobs(
      world.sql,
      running.map(({ id }) => ({ id })),
    ),
  );

  for (const { ended } of running) expect(await ended).toMatchObject({ name: "Cancelled" });
});

test("a handler that ignores its signal does not change the cancelled job", async () => {
  const started = _signal();
  const goOn = _signal();
  const { id } = await _accept(async () => {
    started.resolve();
    await goOn.promise;
  });
  await started.promise;

  await _removeFromRedis(_publish)(await _cancel(id));
  goOn.resolve();

  await world.waitUntilRemoved(id);
  expect(await world.getRow(id)).toMatchObject({
    status: "cancelled",
    result: null,
    attempts: 1,
    started_at: expect.any(Date),
  });
});

test("a waiting job and a job that waits for its retry are removed at once", async () => {
  const later = await world.accept(
    { type: "echo", data: { message: "later" } },
    { delayMs: 3_600_000 },
  );
  const failing = await _accept(() => Promise.reject(new Error("not now")), {
    backoff: { type: "fixed", delay: 3_600_000 },
  });
  const { delayed } = world.keys();
  await _until(async () => (await world.redis.zscore(delayed, failing.id)) !== null);

  await _removeFromRedis(_publish)(await cancelJobs(world.sql, [later, failing]));

  expect(await world.redis.zcard(delayed)).toBe(0);
  expect(await world.getHash(later.id)).toEqual({});
  expect(await world.getHash(failing.id)).toEqual({});
});

test("concurrent results and cancellations: the first one decides the status of the job", async () => {
  const importId = crypto.randomUUID();
  await world.sql`insert into imports (id, type, status, accepted) values (${importId}, 'echo', 'received', 60)`;
  const jobs = await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      world.record({ type: "echo", data: { message: `raced ${n}` } }, importId),
    ),
  );
  let runs = 0;
  for (const [n] of jobs.entries()) acts.set(`raced ${n}`, async () => void (runs += 1));

  await Promise.all(jobs.map((job) => world.dispatchJob(job)));
  await Promise.all(jobs.map(async ({ id }) => _removeFromRedis(_publish)(await _cancel(id))));

  const ends = await Promise.all(jobs.map(({ id }) => world.waitForEnd(id)));
  const count = (status: string) => ends.filter((row) => row["status"] === status).length;
  expect(count("completed") + count("cancelled")).toBe(60);
  expect(runs).toBeGreaterThanOrEqual(count("completed"));
  const [row] = await world.sql`select completed, cancelled from imports where id = ${importId}`;
  expect(row).toEqual({ completed: count("completed"), cancelled: count("cancelled") });
  for (const { id } of jobs) await world.waitUntilRemoved(id);
});
