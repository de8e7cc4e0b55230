import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { Queue, Worker } from "bullmq";
import { createSendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";
import { bullName, jobKey, queueKeys, samplesKey } from "@toril/contract/engine/redis/names";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { testRedisUrl } from "../../contract/test/_stores.ts";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let queue: Queue;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores);
  queue = new Queue(bullName("default"), { connection: stores.redis, prefix: stores.prefix });
});
afterEach(async () => {
  await stores.clear();
  await stores.sql`delete from queue_settings`;
});
afterAll(async () => {
  await queue.close();
  await producer.close();
  await stores.close();
});

const _patch = (body: unknown, name = "default") =>
  producer.request(`/v1/queues/${name}`, { ..._json(body), method: "PATCH" });

async function _enqueue(more: object = {}) {
  const answer = await producer.post(_echo("hello", more));
  expect(answer.status).toBe(201);
  return answer.body.id as string;
}

/** Takes one job as a plain BullMQ worker does, and keeps it active or fails it. */
async function _take({ fails = false } = {}) {
  const connection = stores.redis.duplicate({ maxRetriesPerRequest: null });
  const worker = new Worker(bullName("default"), null, {
    connection,
    prefix: stores.prefix,
    skipStalledCheck: true,
    lockDuration: 60_000,
  });
  const job = await worker.getNextJob("token", { block: false });
  if (fails) await job?.moveToFailed(new Error("no"), "token", false);
  await worker.close();
  connection.disconnect();
  return job?.id;
}

async function _drainAll(query = "") {
  let cancelled = 0;
  for (let cursor: string | null = ""; cursor !== null;) {
    const more: string = cursor && `${query ? "&" : "?"}cursor=${cursor}`;
    const path = `/v1/queues/default/drain${query}${more}`;
    const { status, body } = await producer.request(path, { method: "POST" });
    expect(status).toBe(200);
    cancelled += body.cancelled;
    cursor = body.next;
  }
  return cancelled;
}

const _getStatus = async (id: string) =>
  (await stores.sql`select status, error from jobs where id = ${id}`)[0];

test("a queue shows the counts of its jobs", async () => {
  const failing = await _enqueue({ attempts: 1 });
  const running = await _enqueue();
  await _enqueue();
  await _enqueue({ delayMs: 60_000 });
  await _enqueue({ priority: 3 });
  expect(await _take({ fails: true })).toBe(failing);
  expect(await _take()).toBe(running);

  const found = await producer.client.getQueue("default");
  const counts = { waiting: 1, active: 1, delayed: 1, prioritized: 1, failed: 1 };
  expect(found).toMatchObject({ counts, paused: false, concurrency: null, rateLimit: null });
  expect(found.workers).toEqual([]);
  const { items } = await producer.client.listQueues();
  expect(items.map(({ name }) => name)).toEqual([...shippedRegistry.queues]);
});

test("rates are computed from the samples of the last minute, which all producers share", async () => {
  const jobs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => _enqueue()));
  const key = samplesKey(stores.prefix, "default");
  const [seconds] = await stores.redis.time();
  const at = (Number(seconds) - 30) * 1000;
  await stores.redis.del(key);
  await stores.redis.hset(key, "99", `${at}:${jobs.length - 6}:4`);
  const { rates } = await producer.client.getQueue("default");
  // 6 jobs came in, but the queue grew by 2 only: 4 left.
  expect(rates!.overMs).toBeGreaterThanOrEqual(29_000);
  expect(rates!.in * (rates!.overMs / 1000)).toBeCloseTo(6, 0);
  expect(rates!.out * (rates!.overMs / 1000)).toBeCloseTo(4, 0);

  const other = await _startProducer(stores);
  const theirs = (await other.client.getQueue("default")).rates!;
  expect(theirs.in * (theirs.overMs / 1000)).toBeCloseTo(6, 0);
  await other.close();
});

test("samples from before a flush of Redis are ignored", async () => {
  await _enqueue();
  const key = samplesKey(stores.prefix, "default");
  await stores.redis.del(key);
  await stores.redis.hset(key, "99", `${Date.now() - 30_000}:5000:10`);
  expect((await producer.client.getQueue("default")).rates).toBeNull();
});

test("workers with a recent heartbeat are listed", async () => {
  const beat = createSendHeartbeat(stores.redis, stores.prefix);
  const said = {
    host: "a",
    pid: 7,
    concurrency: 100,
    active: 3,
    startedAt: new Date().toISOString(),
  };
  await beat("default", "one", said);
  await beat("default", "two", said);
  const gone = `${Date.now() - 60_000}:${JSON.stringify(said)}`;
  await stores.redis.hset(`${stores.prefix}:toril:workers:{default}`, "silent", gone);
  const { workers } = await producer.client.getQueue("default");
  expect(workers.map(({ id }) => id).toSorted()).toEqual(["one", "two"]);
  expect(workers[0]).toMatchObject({ ...said });
  await beat("default", "two", undefined);
  expect((await producer.client.getQueue("default")).workers).toHaveLength(1);
});

test("describing queues uses only commands whose cost is independent of the queue length", async () => {
  const requests = Array.from({ length: 300 }, () => _echo());
  await producer.bulk(requests);
  const { port, hostname } = new URL(testRedisUrl);
  let text = "";
  // ioredis fails if another client's command follows the reply to MONITOR at once.
  const monitor = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: (_, chunk) => void (text += chunk.toString("latin1")) },
  });
  monitor.write("MONITOR\r\n");
  await _until(() => text.startsWith("+OK"));
  await producer.client.listQueues();
  await stores.redis.get(`${stores.prefix}:last`);
  await _until(() => text.includes(`"${stores.prefix}:last"`));
  monitor.end();
  const commands = text
    .split("\n")
    .filter((line) => line.includes(stores.prefix))
    .map((line) => /\] "(\w+)"/.exec(line)?.[1]?.toLowerCase() ?? line);
  const allowed = ["llen", "zcard", "lindex", "zrange", "hmget", "hget", "get", "hgetall", "hset"];
  // The producer also records its activity now and then: HINCRBY.
  const known = new Set([...allowed, "pexpire", "evalsha", "eval", "time", "hincrby"]);
  expect(commands.filter((command) => !known.has(command))).toEqual([]);
  expect(commands).toContain("llen");
});

test("pause and resume are those of BullMQ", async () => {
  expect(await producer.client.pauseQueue("default")).toEqual({
    queue: "default",
    paused: true,
    concurrency: null,
    rateLimit: null,
  });
  expect(await queue.isPaused()).toBe(true);
  const id = await _enqueue();
  expect(await _take()).toBeUndefined();
  expect(await producer.client.getQueue("default")).toMatchObject({
    paused: true,
    counts: { waiting: 1 },
  });
  await producer.client.resumeQueue("default");
  expect(await queue.isPaused()).toBe(false);
  expect(await stores.redis.zrange(queueKeys(stores.prefix, "default").marker, "0", "-1")).toEqual([
    "0",
  ]);
  expect(await _take()).toBe(id);
});

test("limits are set, kept when others change, and removed", async () => {
  const rateLimit = { max: 5, durationMs: 2000 };
  expect((await _patch({ concurrency: 3 })).status).toBe(200);
  await _patch({ rateLimit });
  expect(await producer.client.getQueue("default")).toMatchObject({ concurrency: 3, rateLimit });
  expect(await queue.getGlobalConcurrency()).toBe(3);
  expect(await queue.getGlobalRateLimit()).toEqual({ max: 5, duration: 2000 });
  await _patch({ concurrency: null });
  await _patch({ rateLimit: null });
  expect(await queue.getGlobalConcurrency()).toBeNull();
  expect(await queue.getGlobalRateLimit()).toBeNull();
});

test.each([
  [{}, ""],
  [{ concurrency: 0 }, "/concurrency"],
  [{ concurrency: 1.5 }, "/concurrency"],
  [{ rateLimit: { max: 1 } }, "/rateLimit/durationMs"],
  [{ rateLimit: { max: 0, durationMs: 5 } }, "/rateLimit/max"],
  [{ paused: true }, "/paused"],
])("%j is refused", async (body, pointer) => {
  const problem = _expectProblem(await _patch(body), "invalid-request");
  expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
  expect(await stores.sql`select from queue_settings`).toHaveLength(0);
});

test("an unknown queue is not found", async () => {
  _expectProblem(await producer.request("/v1/queues/missing"), "queue-not-found");
  _expectProblem(await _patch({ concurrency: 1 }, "missing"), "queue-not-found");
  for (const verb of ["pause", "resume", "drain", "clean"]) {
    const answer = await producer.request(`/v1/queues/missing/${verb}`, { method: "POST" });
    _expectProblem(answer, "queue-not-found");
  }
});

test("draining cancels waiting jobs, not active or delayed ones", async () => {
  const running = await _enqueue();
  await _take();
  const waiting = [
    await _enqueue(),
    await _enqueue({ priority: 2 }),
    await _enqueue({ order: "lifo" }),
  ];
  const delayed = await _enqueue({ delayMs: 60_000 });

  expect(await _drainAll()).toBe(3);
  for (const id of waiting) {
    expect(await _getStatus(id)).toMatchObject({ status: "cancelled", error: { name: "Drained" } });
    expect(await stores.redis.exists(jobKey(stores.prefix, "default", id))).toBe(0);
  }
  expect((await _getStatus(running))?.["status"]).toBe("pending");
  expect((await _getStatus(delayed))?.["status"]).toBe("pending");
  expect((await producer.client.getQueue("default")).counts).toMatchObject({
    waiting: 0,
    prioritized: 0,
    active: 1,
    delayed: 1,
  });

  expect(await _drainAll("?delayed=true")).toBe(1);
  expect((await _getStatus(delayed))?.["status"]).toBe("cancelled");
  expect((await _getStatus(running))?.["status"]).toBe("pending");
});

test("draining in batches includes undispatched jobs and counts for imports", async () => {
  const requests = Array.from({ length: 2500 }, () => _echo());
  await producer.bulk(requests);
  const lost = await _enqueue();
  await stores.redis.del(jobKey(stores.prefix, "default", lost));
  await stores.redis.lrem(queueKeys(stores.prefix, "default").wait, 0, lost);
  await stores.sql`update jobs set created_at = now() - interval '1 minute'`;
  const importId = Bun.randomUUIDv7();
  await stores.sql`insert into imports (id, type) values (${importId}, 'echo')`;
  await stores.sql`update jobs set import_id = ${importId}`;
  const first = await producer.client.drainQueue("default");
  expect(first.cancelled).toBe(1000);
  expect(first.next).not.toBeNull();
  expect(await _drainAll()).toBe(1501);
  const rows = await stores.sql`select status, count(*)::int as count from jobs group by 1`;
  expect(rows.map((row) => ({ ...row }))).toEqual([{ status: "cancelled", count: 2501 }]);
  expect((await producer.request(`/v1/imports/${importId}`)).body.counts.cancelled).toBe(2501);
});

test("cleaning removes old failed jobs from Redis, but not those that are pending in Postgres", async () => {
  const { failed } = queueKeys(stores.prefix, "default");
  const [old, young, unsettled] = [await _enqueue(), await _enqueue(), await _enqueue()];
  for (const [id, age] of [
    [old, 60_000],
    [young, 0],
    [unsettled, 60_000],
  ] as const) {
    await stores.redis.zadd(failed, Date.now() - age, id);
  }
  await stores.sql`update jobs set status = 'dead' where id = any(${[old, young]}::uuid[])`;
  const cleaning = { state: "failed", olderThanMs: 30_000 } as const;
  expect(await producer.client.cleanQueue("default", cleaning)).toEqual({ removed: 1, next: null });
  expect((await stores.redis.zrange(failed, "0", "-1")).toSorted()).toEqual(
    [young, unsettled].toSorted(),
  );
  expect(await stores.redis.exists(jobKey(stores.prefix, "default", old))).toBe(0);
  const wrong = _json({ state: "completed", olderThanMs: 1 });
  _expectProblem(await producer.request("/v1/queues/default/clean", wrong), "invalid-request");
  const query = await producer.request("/v1/queues/default/clean?cursor=x", _json(cleaning));
  _expectProblem(query, "invalid-parameter");
});

test("a restricted key may access a queue if it permits all of its job types", async () => {
  const guarded = await _openStores();
  const { key: limited } = await _issue(guarded, ["queues:admin"], { queues: ["imports"] });
  const { key: typed } = await _issue(guarded, ["queues:admin"], { types: ["echo", "feed.item"] });
  const closed = await _startProducer(guarded);
  const names = async (key: string) => {
    const { body } = await closed.request("/v1/queues", { headers: _bearer(key) });
    return body.items.map(({ name }: { name: string }) => name);
  };
  expect(await names(limited)).toEqual(["imports"]);
  expect(await names(typed)).toEqual(["default"]);
  const beyond = { method: "POST", headers: _bearer(limited) };
  _expectProblem(await closed.request("/v1/queues/default/pause", beyond), "forbidden-resource");
  await closed.close();
  await guarded.close();
});
