import { afterEach, beforeAll, beforeEach, afterAll, expect, test } from "bun:test";
import {
  _echo,
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { _openProxy, type _Proxy } from "./_proxy.ts";
import { _createWorker } from "./_pull.ts";

let stores: _Stores;
let proxy: _Proxy;
let producer: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  proxy = await _openProxy(stores.settings.REDIS_URL);
  producer = await start();
});
beforeEach(async () => {
  await bringBack();
  await _until(async () => (await readiness()) === "ok");
});
afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  proxy.close();
  await stores.close();
});

const start = (settings: Record<string, string> = {}) =>
  _startProducer(stores, { REDIS_URL: proxy.url, ...settings });

const readiness = async () => (await producer.request("/readyz")).body.status;

/** Makes Redis unavailable, waits until the producer has noticed, and deletes the job used for that. */
async function takeAway(fault: "refuse" | "freeze") {
  proxy[fault]();
  const { body, status } = await producer.post(_echo("first to notice"));
  expect(status).toBe(202);
  await stores.sql`delete from jobs where id = ${body.id}`;
}

async function bringBack() {
  proxy.pass();
  await _until(async () => (await producer.metric("toril_redis_unavailable")) === 0);
}

test.each(["refuse", "freeze"] as const)(
  "while connections to Redis %s, jobs are recorded with 202 before the deadline",
  async (fault) => {
    proxy[fault]();
    const deadline = AbortSignal.timeout(100_000);
    const first = await producer.request("/v1/jobs", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(_echo("a")),
      signal: deadline,
    });
    expect(first.status).toBe(202);
    expect(first.headers.get("location")).toBe(`/v1/jobs/${first.body.id}`);
    expect(await producer.metric("toril_redis_unavailable")).toBe(1);
    // From here on no request waits for Redis.
    const held = proxy.heldBytes;
    const second = await producer.post(_echo("b", { key: "k" }));
    for (const answer of [
      second,
      await producer.bulk([_echo("c"), _echo("d")]),
      await producer.csv("a\n1\n"),
    ]) {
      expect(answer.status).toBe(202);
    }
    expect((await producer.post(_echo("b", { key: "k" }))).status).toBe(200);
    if (fault === "freeze") expect(proxy.heldBytes - held).toBeLessThan(1000);
    expect(await stores.count()).toMatchObject({ jobs: 5, dispatched: 0 });
    expect(await producer.metric("toril_undispatched_jobs")).toBe(5);
    const seen = await producer.client.getJob(first.body.id, { signal: deadline });
    expect([seen.status, seen.state]).toEqual(["pending", null]);
    expect((await producer.client.listJobs({}, { signal: deadline })).items.length).toBe(5);

    await bringBack();
    expect((await producer.post(_echo("e"))).status).toBe(201);
    // The first job may still be dispatched: its command was buffered in a frozen connection.
    expect((await producer.client.getJob(second.body.id)).state).toBe("undispatched");
    expect(await producer.metric("toril_undispatched_jobs")).toBe(0);
  },
);

test("without Redis jobs are recorded up to MAX_UNDISPATCHED_JOBS", async () => {
  const strict = await start({ MAX_UNDISPATCHED_JOBS: "2" });
  proxy.refuse();
  expect((await strict.post(_echo("a"))).status).toBe(202);
  expect((await strict.post(_echo("b"))).status).toBe(202);
  for (const answer of [
    await strict.post(_echo("c")),
    await strict.post(_echo("c", { key: "k" })),
    await strict.bulk([_echo("c")]),
    // Only Redis knows the states.
    await strict.request("/v1/jobs?state=waiting"),
    await strict.request("/v1/jobs?state=undispatched"),
  ]) {
    _expectProblem(answer, "at-capacity");
  }
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 0 });
  proxy.pass();
  await _until(async () => (await strict.post(_echo("d"))).status === 201);
  await strict.close();
});

test("a replay has the status 202 of the original response, also when Redis is back", async () => {
  await takeAway("refuse");
  const headers = { "Idempotency-Key": "1" };
  const bulkHeaders = { "Idempotency-Key": "2" };
  const first = await producer.post(_echo("a"), headers);
  const firstBulk = await producer.bulk([_echo("a")], "", bulkHeaders);
  expect([first.status, firstBulk.status]).toEqual([202, 202]);
  expect((await producer.post(_echo("a"), headers)).status).toBe(202);
  await bringBack();
  const again = await producer.post(_echo("a"), headers);
  expect([again.status, again.text]).toEqual([202, first.text]);
  const bulkAgain = await producer.bulk([_echo("a")], "", bulkHeaders);
  expect([bulkAgain.status, bulkAgain.text]).toEqual([202, firstBulk.text]);
});

test.each([true, false])(
  "concurrent identical requests get one response while Redis is unavailable (stored before: %p)",
  async (isKnown) => {
    if (isKnown) await takeAway("refuse");
    else proxy.refuse();
    const headers = { "Idempotency-Key": "1" };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => producer.post(_echo("a"), headers)),
    );
    // A replay by another producer may run between the COMMIT and the detection that Redis is unavailable; a replay by
    // the same producer may not.
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await stores.count()).toMatchObject({ jobs: 1, keys: 1 });
  },
);

test("without Redis a producer starts, is ready and reports degraded", async () => {
  proxy.refuse();
  const late = await start();
  const answer = await late.request("/readyz");
  expect([answer.status, answer.body]).toEqual([
    200,
    { status: "degraded", postgres: "ok", redis: "unavailable" },
  ]);
  expect((await late.post(_echo())).status).toBe(202);
  await late.close();
});

test("a producer shuts down while Redis does not respond", async () => {
  const stopping = await start();
  expect((await stopping.post(_echo())).status).toBe(201);
  proxy.freeze();
  await stopping.close();
});

test.each(["refuse", "freeze"] as const)(
  "while connections to Redis %s, queue settings are recorded and other queue requests refused",
  async (fault) => {
    proxy[fault]();
    expect((await producer.request("/v1/queues/default/pause", { method: "POST" })).status).toBe(
      202,
    );
    expect(await stores.sql`select queue, paused from queue_settings`).toMatchObject([
      { queue: "default", paused: true },
    ]);
    _expectProblem(await producer.request("/v1/queues"), "at-capacity");
    const drained = await producer.request("/v1/queues/default/drain", { method: "POST" });
    _expectProblem(drained, "at-capacity");
    proxy.pass();
    const resume = () => producer.request("/v1/queues/default/resume", { method: "POST" });
    await _until(async () => (await resume()).status === 200);
  },
);

const feed = { type: "feed.fetch", data: { url: "http://a.test/" } };

test("malformed queue settings in Redis are restored before the next job, without effect on other queues", async () => {
  const limited = { concurrency: 7 };
  const patch = {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(limited),
  };
  await producer.request("/v1/queues/imports", patch);
  const metas = ["default", "imports"].map((queue) => queueKeys(stores.prefix, queue).meta);
  for (const meta of metas) await stores.redis.hset(meta, "concurrency", "abc");
  const answers = await Promise.all([
    ...Array.from({ length: 20 }, (_, at) => producer.post(at % 2 === 0 ? _echo() : feed)),
    producer.bulk([_echo(), feed]),
    producer.csv("a\n1\n"),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
  const restored = await Promise.all(metas.map((meta) => stores.redis.hget(meta, "concurrency")));
  expect(restored).toEqual([null, "7"]);
  await stores.sql`delete from queue_settings`;
});

test.each(["refuse", "freeze"] as const)(
  "while connections to Redis %s, requests that need Redis are to be repeated",
  async (fault) => {
    const { client } = producer;
    await client.putJobType("pulled", { data: {}, worker: "pull" });
    await client.createJob({ type: "pulled", data: {} });
    const worker = _createWorker(producer);
    const leaseMs = 600_000;
    const selection = { types: ["pulled"], max: 1, leaseMs };
    const [taken] = await worker.take({ ...selection, waitMs: 20_000 });
    const { id, lease } = taken!;
    proxy[fault]();
    const answers = await Promise.all([
      worker.call("extend", { leases: [{ id, lease, progress: 1 }], leaseMs }),
      worker.call("take", selection),
      worker.call("finish", { results: [{ id, lease, outcome: "completed" }] }),
      producer.request("/v1/jobs?state=waiting&queue=default"),
      producer.request("/v1/queues/default"),
    ]);
    for (const answer of answers) {
      _expectProblem(answer, "at-capacity");
      expect(answer.headers.get("retry-after")).toBe("1");
    }
  },
);

test("an error of Redis for one queue does not affect others", async () => {
  const { wait } = queueKeys(stores.prefix, "default");
  await stores.redis.set(wait, "not a list");
  for (let times = 0; times < 5; times += 1) {
    const [refused, other] = await Promise.all([producer.post(_echo()), producer.post(feed)]);
    expect([refused.status, other.status]).toEqual([202, 201]);
  }
  expect(await producer.metric("toril_redis_unavailable")).toBe(0);
  await stores.redis.del(wait);
  expect((await producer.post(_echo())).status).toBe(201);
});

test("an error of Postgres during a retry does not open the circuit breaker of Redis", async () => {
  const { body } = await producer.post(_echo());
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  await stores.sql`alter table jobs rename column trace to gone`;
  const retried = await producer.request(`/v1/jobs/${body.id}/retry`, { method: "POST" });
  await stores.sql`alter table jobs rename column gone to trace`;
  expect([retried.status, retried.body.state]).toEqual([202, "undispatched"]);
  expect(await producer.metric("toril_redis_unavailable")).toBe(0);
  expect((await producer.post(_echo())).status).toBe(201);
});
