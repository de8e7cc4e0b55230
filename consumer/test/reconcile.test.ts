import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { bullName, settledReturnValue } from "@toril/contract/engine/redis/names";
import { Queue, UnrecoverableError } from "bullmq";
import {
  _openWorld,
  _dispatch,
  _noteUndispatched,
  _record,
  _startReconciler,
  _startWorker,
  _until,
  type _World,
} from "./_reconcile.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => world.clear());

const _getRow = async (id: string | undefined) => {
  const [row] = await world.sql`select * from jobs where id = ${id ?? null}`;
  return row!;
};
const _waiting = (queue = "echo") => world.redis.lrange(world.keys(queue).wait, 0, -1);

describe("a pending job that Redis lost", () => {
  test("is re-dispatched after FLUSHALL: 10,000 jobs, once each, oldest first", async () => {
    const ids = await _record(world, 10_000);
    await _dispatch(world, ids);
    await world.redis.flushall();
    await using reconciling = await _startReconciler(world);

    const report = await reconciling.waitForPass("leading");

    expect(report).toMatchObject({ checked: 10_000, redispatched: 10_000, settled: 0 });
    expect(await _waiting()).toEqual(ids.toReversed());
    expect(await reconciling.pass()).toMatchObject({ checked: 10_000, redispatched: 0 });
  });

  test("is re-dispatched with its data and options, marked as recovered", async () => {
    const [id] = await _record(world, 1, { data: '{"n": 12345678901234567890}' });
    await using reconciling = await _startReconciler(world);

    await reconciling.waitForPass("leading");

    const { name, data, opts } = await world.getHash(id!);
    expect({ name, data }).toEqual({ name: "echo", data: '{"n": 12345678901234567890}' });
    expect(JSON.parse(opts!)).toMatchObject({
      attempts: 2,
      backoff: { type: "fixed", delay: 1 },
      recovered: true,
    });
    expect(await _getRow(id)).toMatchObject({ lost_attempts: 0, status: "pending" });
  });

  test("is re-dispatched with its trace and its tenant", async () => {
    const [common, own] = await _record(world, 2);
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await world.sql`update jobs set tenant = 'shop', trace = ${trace} where id = ${own!}`;
    await using reconciling = await _startReconciler(world);

    await reconciling.waitForPass("leading");

    const getOptions = async (id: string) => JSON.parse((await world.getHash(id))["opts"]!);
    expect(await getOptions(common!)).not.toContainAnyKeys(["tenant", "tm"]);
    expect(await getOptions(own!)).toMatchObject({
      tenant: "shop",
      tm: JSON.stringify({ traceparent: trace }),
    });
  });

  test("is not re-dispatched during the grace period", async () => {
    const [old] = await _record(world, 1, { ageMs: 700_000 });
    await _record(world, 1, { ageMs: 500_000 });
    await using reconciling = await _startReconciler(world, { graceMs: 600_000 });

    expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 1, redispatched: 1 });
    expect(await _waiting()).toEqual([old!]);
  });

  test("is re-dispatched right after the grace period when it was too young for a requested pass", async () => {
    await _record(world, 1, { ageMs: 0 });
    await using reconciling = await _startReconciler(world, { graceMs: 300 });

    expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 0 });
    expect(await reconciling.waitForPass("grace")).toMatchObject({ redispatched: 1 });
  });

  test("keeps its due time", async () => {
    const runAt = new Date(Date.now() + 3_600_000);
    const [later] = await _record(world, 1, { runAt });
    const dueAt = new Date(Date.now() - 1000);
    const [overdue] = await _record(world, 1, { runAt: dueAt });
    const [retried] = await _record(world, 1, { generation: 1 });
    const startedAt = Date.now();
    await using reconciling = await _startReconciler(world);

    await reconciling.waitForPass("leading");

    const score = await world.redis.zscore(world.keys().delayed, later!);
    expect(Math.floor(Number(score) / 4096)).toBe(runAt.getTime());
    expect(await _waiting()).toEqual([`${retried}-1`, overdue!]);
    // It has waited since then, although Redis lost it. Of a retried job, this time is unknown.
    const getTimestamp = async (...job: Parameters<_World["getHash"]>) =>
      Number((await world.getHash(...job))["timestamp"]);
    expect(await getTimestamp(overdue!)).toBe(dueAt.getTime());
    expect(await getTimestamp(retried!, 1)).toBeGreaterThanOrEqual(startedAt);
  });

  test("is re-dispatched under the id of its generation, despite remains of an earlier generation", async () => {
    const [id] = await _record(world, 1, { generation: 2 });
    await world.redis.hset(`${world.keys().base}${id}`, { name: "echo", finishedOn: 1 });
    await using reconciling = await _startReconciler(world);

    await reconciling.waitForPass("leading");

    expect(await _waiting()).toEqual([`${id}-2`]);
    expect(await _getRow(id)).toMatchObject({ status: "pending", generation: 2 });
  });

  test("is not re-dispatched when it ended after the inspection", async () => {
    const [id] = await _record(world, 1);
    const redis = new Proxy(world.redis, {
      get(target, name) {
        if (name !== "eval") return Reflect.get(target, name, target) as unknown;
        return async (script: string, keyCount: number, keysAndArguments: string[]) => {
          // The memory check is the last command before the re-dispatch.
          if (script.includes("INFO")) await world.sql`update jobs set status = 'cancelled'`;
          return target.eval(script, keyCount, keysAndArguments);
        };
      },
    });
    await using reconciling = await _startReconciler(world, { redis });

    expect(await reconciling.waitForPass("leading")).toMatchObject({ checked: 1, redispatched: 0 });
    expect(await world.getHash(id!)).toEqual({});
    expect(await _getRow(id)).toMatchObject({ status: "cancelled" });
  });

  test("is marked as recovered when it ends during the re-dispatch", async () => {
    const [id] = await _record(world, 1);
    await using reconciling = await _startReconciler(world, {
      async dispatch(queue, jobs) {
        await world.sql`update jobs set status = 'cancelled'`;
        await world.dispatch(queue, jobs);
      },
    });

    await reconciling.waitForPass("leading");

    expect(JSON.parse((await world.getHash(id!))["opts"]!)).toMatchObject({ recovered: true });
  });

  test("is re-dispatched in parts when the data is large", async () => {
    const ids = await _record(world, 10, { data: JSON.stringify("x".repeat(900_000)) });
    const parts: number[] = [];
    await using reconciling = await _startReconciler(world, {
      dispatch: (queue, jobs) => world.dispatch(queue, jobs).finally(() => parts.push(jobs.length)),
    });

    expect(await reconciling.waitForPass("leading")).toMatchObject({ redispatched: 10 });
    expect(await _waiting()).toEqual(ids.toReversed());
    expect(parts).toEqual([5, 5]);
  });

  test("is re-dispatched page by page and queue by queue", async () => {
    const queues = ["echo", "imports", "echo", "feeds", "imports"];
    for (const queue of queues) await _record(world, 7, { queue });
    await using reconciling = await _startReconciler(world, { pageSize: 4 });

    expect(await reconciling.waitForPass("leading")).toMatchObject({
      checked: 35,
      redispatched: 35,
    });
    expect(await _waiting("echo")).toHaveLength(14);
    expect(await _waiting("imports")).toHaveLength(14);
    expect(await _waiting("feeds")).toHaveLength(7);
  });

  test("is re-dispatched even if another version wrote its options", async () => {
    await _record(world, 1);
    await world.sql`update jobs set options = '{"attempts": "many"}'`;
    await _record(world, 1);
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ redispatched: 2 });
  });

  test("is re-dispatched after every loss of Redis, although it never started", async () => {
    const [paused] = await _record(world, 1);
    const runAt = new Date(Date.now() + 24 * 3_600_000);
    const [delayed] = await _record(world, 1, { runAt });
    await using reconciling = await _startReconciler(world);
    await reconciling.waitForPass("leading");

    for (let losses = 0; losses < 25; losses += 1) {
      await world.redis.flushall();
      expect(await reconciling.pass()).toMatchObject({ checked: 2, redispatched: 2 });
    }

    for (const id of [paused, delayed]) {
      expect(await _getRow(id)).toMatchObject({ status: "pending", lost_attempts: 0 });
    }
    expect(await _waiting()).toEqual([paused!]);
    expect(await world.redis.zscore(world.keys().delayed, delayed!)).not.toBeNull();
  });
});

test("queue settings are restored before the first dispatch, and again when Redis lost its data meanwhile", async () => {
  await _record(world, 3);
  const steps: string[] = [];
  await using reconciling = await _startReconciler(world, {
    pageSize: 1,
    apply: async () => void steps.push("restore"),
    async dispatch(queue, jobs) {
      await world.dispatch(queue, jobs);
      if (steps.push("dispatch") === 3) await world.redis.flushall();
    },
  });

  await reconciling.waitForPass("leading");

  expect(steps).toEqual(["restore", "dispatch", "dispatch", "restore", "dispatch"]);
});

describe("jobs whose dispatch failed", () => {
  const _noted = async () => {
    const rows = await world.sql<{ id: string }[]>`select job_id as id from undispatched_jobs`;
    return rows.map(({ id }) => id);
  };

  test("are dispatched after the grace period without a pass, and checked in Redis before", async () => {
    await using reconciling = await _startReconciler(world, { undispatchedEveryMs: 20 });
    await reconciling.waitForPass("leading");
    const [young] = await _record(world, 1, { ageMs: 0 });
    const [lost, ended, present] = await _record(world, 3);
    await _dispatch(world, [present!]);
    await world.sql`update jobs set status = 'cancelled' where id = ${ended!}`;
    const deleted = Bun.randomUUIDv7();

    await _noteUndispatched(world, [young!, lost!, ended!, present!, deleted]);

    await _until(async () => (await _noted()).length === 1);
    expect(await _noted()).toEqual([young!]);
    expect(await _waiting()).toEqual([lost!, present!]);
    expect(await world.getHash(ended!)).toEqual({});
    expect(reconciling.reports).toHaveLength(1);
    await world.sql`update jobs set created_at = now() - interval '1 hour' where id = ${young!}`;
    await _until(async () => (await _noted()).length === 0);
    expect(await _waiting()).toEqual([young!, lost!, present!]);
  });

  test("stay noted while Redis rejects them or has no memory", async () => {
    const [full] = await _record(world, 1);
    const [rejected] = await _record(world, 1, { queue: "broken" });
    await world.redis.hset(world.keys("broken").meta, "opts.maxLenEvents", "many");
    await world.redis.config("SET", "maxmemory", 1);
    await _noteUndispatched(world, [full!, rejected!]);
    await using reconciling = await _startReconciler(world);

    await reconciling.waitForPass("leading");

    expect((await _noted()).toSorted()).toEqual([full!, rejected!]);
    await world.redis.config("SET", "maxmemory", 0);
    await reconciling.pass();
    expect(await _noted()).toEqual([rejected!]);
    await world.redis.hdel(world.keys("broken").meta, "opts.maxLenEvents");
    await reconciling.pass();
    expect(await _noted()).toEqual([]);
  });
});

test("jobs of other queues are re-dispatched while the Redis of one queue is unavailable", async () => {
  for (let page = 0; page < 3; page += 1) {
    await _record(world, 1, { queue: "away" });
    await _record(world, 1);
  }
  let attempts = 0;
  await using reconciling = await _startReconciler(world, {
    pageSize: 2,
    async dispatch(queue, jobs) {
      if (queue !== "away") return world.dispatch(queue, jobs);
      attempts += 1;
      throw new Error("Command timed out");
    },
  });

  await _until(() => reconciling.problems.length > 0);

  expect(await _waiting()).toHaveLength(3);
  expect(attempts).toBe(1);
  expect(reconciling.reports).toEqual([]);
});

describe("when Redis rejects writes", () => {
  test("a queue that cannot be re-dispatched does not block other queues", async () => {
    const [broken] = await _record(world, 1, { queue: "broken" });
    await _record(world, 1, { queue: "echo" });
    await world.redis.hset(world.keys("broken").meta, "opts.maxLenEvents", "many");
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ redispatched: 1 });
    expect(await _getRow(broken)).toMatchObject({ status: "pending" });
    expect(reconciling.problems).toHaveLength(1);
  });

  test("nothing is re-dispatched above 80% of maxmemory, and everything once memory is free", async () => {
    await _record(world, 300);
    const info = await world.redis.info("memory");
    const used = Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
    await world.redis.config("SET", "maxmemory", Math.floor(used / 0.85));
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({
      redispatched: 0,
      postponed: 300,
    });
    await world.redis.config("SET", "maxmemory", 0);
    expect(await reconciling.pass()).toMatchObject({ redispatched: 300, postponed: 0 });
    expect(await _waiting()).toHaveLength(300);
  });
});

describe("a job that finished in Redis but is pending in the ledger", () => {
  test("is settled: completed with the return value of a stock worker, or dead with its reason", async () => {
    const [good, bad, wrong] = await _record(world, 3);
    await _dispatch(world, [good!, bad!, wrong!]);
    await using worker = _startWorker(world, async (job) => {
      if (job.id === bad) throw new UnrecoverableError("no such thing");
      return job.id === wrong ? { answer: 42 } : { message: "done" };
    });
    await _until(async () => (await world.redis.zcard(world.keys().completed)) === 2);
    await _until(async () => (await world.redis.zcard(world.keys().failed)) === 1);
    await worker.close();
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ settled: 3, redispatched: 0 });
    expect(await _getRow(wrong)).toMatchObject({
      status: "dead",
      result: null,
      error: { name: "InvalidResult", message: expect.stringContaining("message") },
    });
    expect(await _getRow(good)).toMatchObject({
      status: "completed",
      result: { message: "done" },
      error: null,
      attempts: 1,
    });
    expect(await _getRow(bad)).toMatchObject({
      status: "dead",
      result: null,
      error: { message: "no such thing", stack: expect.stringContaining("no such thing") },
      attempts: 1,
    });
  });

  test("is settled from the event stream when a stock worker removed it, without another attempt", async () => {
    const [good, bad, wrong] = await _record(world, 3);
    await _dispatch(world, [good!, bad!, wrong!]);
    const starts: unknown[] = [];
    await using worker = _startWorker(
      world,
      async (job) => {
        starts.push(job.id);
        if (job.id === bad) throw new UnrecoverableError("no such thing");
        return job.id === wrong ? { answer: 42 } : { message: "done" };
      },
      { removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } },
    );
    await _until(
      async () => starts.length === 3 && (await world.redis.llen(world.keys().active)) === 0,
    );
    expect(await world.getHash(good!)).toEqual({});
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ settled: 3, redispatched: 0 });
    expect(await reconciling.pass()).toMatchObject({ checked: 0 });
    await worker.close();
    expect(starts).toHaveLength(3);
    expect(await _getRow(good)).toMatchObject({
      status: "completed",
      result: { message: "done" },
      attempts: 1,
      started_at: expect.any(Date),
      duration_ms: expect.any(Number),
    });
    expect(await _getRow(bad)).toMatchObject({
      status: "dead",
      error: { message: "no such thing" },
      attempts: 1,
    });
    expect(await _getRow(wrong)).toMatchObject({
      status: "dead",
      error: { name: "InvalidResult" },
    });
  });

  test("is re-dispatched when the events belong to an earlier generation, a job retried since, or a worker of Toril", async () => {
    const [reopened] = await _record(world, 1, { generation: 1 });
    const [tenth] = await _record(world, 1, { generation: 10 });
    const [retried, own, ended] = await _record(world, 3);
    const publish = (event: string, id: string, ...more: string[]) =>
      world.redis.xadd(world.keys().events, "*", "event", event, "jobId", id, ...more);
    const value = ["returnvalue", '{"message":"done"}'];
    await publish("completed", reopened!, ...value);
    await publish("completed", `${tenth}-1`, ...value);
    await publish("failed", retried!, "failedReason", "once");
    await publish("waiting", retried!, "prev", "failed");
    await publish("completed", own!, "returnvalue", JSON.stringify(settledReturnValue));
    await publish("completed", ended!, ...value);
    // More than two pages, so that the relevant events are not on the newest page.
    for (let count = 0; count < 450; count++) await publish("progress", "another job");
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ settled: 1, redispatched: 4 });
    expect(await _waiting()).toEqual([own!, retried!, `${tenth}-10`, `${reopened}-1`]);
    expect(await _getRow(ended)).toMatchObject({
      status: "completed",
      result: { message: "done" },
    });
  });

  test("is settled with plain text and with text that Postgres cannot store", async () => {
    const [plain, foul] = await _record(world, 2, { type: "of another version" });
    const [doubled] = await _record(world, 1);
    const finished = { name: "echo", finishedOn: 1, atm: 2 };
    await world.redis.hset(`${world.keys().base}${plain}`, { ...finished, returnvalue: "done\0" });
    await world.redis.hset(`${world.keys().base}${foul}`, {
      ...finished,
      returnvalue: '"\\u0000"',
    });
    await world.redis.hset(`${world.keys().base}${doubled}`, {
      ...finished,
      returnvalue: '{"message":"one","message":"two"}',
    });
    await using reconciling = await _startReconciler(world);

    expect(await reconciling.waitForPass("leading")).toMatchObject({ settled: 3 });
    expect(await _getRow(doubled)).toMatchObject({
      status: "dead",
      error: { name: "InvalidResult", message: expect.stringContaining("/message") },
    });
    expect(await _getRow(plain)).toMatchObject({ status: "completed", result: "done\u{FFFD}" });
    expect(await _getRow(foul)).toMatchObject({ status: "dead", attempts: 2 });
  });

  test("does not overwrite a status in the ledger", async () => {
    const [id] = await _record(world, 1);
    await world.redis.hset(`${world.keys().base}${id}`, { finishedOn: 1, returnvalue: "1" });
    await using reconciling = await _startReconciler(world, {
      settler: {
        async settle(settlement) {
          await world.sql`update jobs set status = 'cancelled'`;
          return world.settler.settle(settlement);
        },
      },
    });

    expect(await reconciling.waitForPass("leading")).toMatchObject({ settled: 0 });
    expect(await _getRow(id)).toMatchObject({ status: "cancelled", result: null });
  });
});

test("a stock BullMQ worker runs re-dispatched jobs and finds its queue settings", async () => {
  const ids = await _record(world, 20);
  const queue = new Queue(bullName("echo"), { connection: world.redis, prefix: world.prefix });
  await queue.waitUntilReady();
  const done = new Set<unknown>();
  await using worker = _startWorker(world, async (job) => void done.add(job.id));
  await worker.waitUntilReady();
  await world.redis.flushall();
  await using reconciling = await _startReconciler(world);

  await reconciling.waitForPass("leading");
  await _until(() => done.size === 20);

  expect(done).toEqual(new Set(ids));
  expect(await world.redis.hget(world.keys().meta, "opts.maxLenEvents")).toBe("10000");
  await queue.close();
});
