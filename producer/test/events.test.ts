import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { _listen, type _Listener } from "./_events.ts";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { _openProxy } from "./_proxy.ts";
import { _connect, _head } from "./_raw.ts";

let stores: _Stores;
let producers: _Producer[];
let listeners: _Listener[];

beforeAll(async () => {
  stores = await _openStores();
});
afterAll(() => stores.close());
beforeEach(() => {
  producers = [];
  listeners = [];
});
afterEach(async () => {
  await Promise.all(listeners.map((listener) => listener.disconnect()));
  await Promise.all(producers.map((producer) => producer.close()));
  await stores.sql`delete from api_keys`;
  await stores.clear();
});

async function start(settings: Parameters<typeof _startProducer>[1] = {}) {
  const producer = await _startProducer(stores, settings);
  producers.push(producer);
  return producer;
}

async function listen(producer: _Producer, path: string, headers: Record<string, string> = {}) {
  const listener = await _listen(new URL(path, producer.url), headers);
  listeners.push(listener);
  return listener;
}

/** Settles a job as a consumer does. */
function settle(id: string, status = "completed") {
  return stores.sql`
    update jobs set status = ${status}, attempts = 1, settled_at = now() where id = ${id}`;
}

const { events } = queueKeys("", "default");
const note = (...fields: string[]) =>
  stores.redis.xadd(`${stores.prefix}${events}`, "*", ...fields);

describe("Prefer: wait", () => {
  test("the response is the job as soon as it has ended", async () => {
    const producer = await start();
    const waiting = producer.post(_echo(), { Prefer: "wait=60" });
    await _until(async () => (await stores.count()).jobs === 1);
    const [row] = await stores.sql`select id from jobs`;
    await settle(row!["id"]);
    const { status, body, headers } = await waiting;
    expect([status, body.id, body.status]).toEqual([200, row!["id"], "completed"]);
    expect(headers.get("location")).toBe(`/v1/jobs/${body.id}`);
    expect(headers.get("preference-applied")).toBe("wait=60");
  });

  test("on timeout the response is the accepted job", async () => {
    const producer = await start();
    const { status, body, headers } = await producer.post(_echo(), { Prefer: "wait=1" });
    expect([status, body.outcome]).toEqual([202, "created"]);
    expect(headers.get("location")).toBe(`/v1/jobs/${body.id}`);
    expect(headers.get("preference-applied")).toBe("wait=1");
    const got = await producer.request(`/v1/jobs/${body.id}`, { headers: { Prefer: "wait=1" } });
    expect([got.status, got.body.status]).toEqual([200, "pending"]);
    expect(got.headers.get("preference-applied")).toBe("wait=1");
  });

  test("a duplicate and a replay wait for the existing job", async () => {
    const producer = await start();
    const { body: first } = await producer.post(_echo("a", { key: "k" }), {
      "Idempotency-Key": "i",
    });
    const waiting = [
      producer.post(_echo("b", { key: "k" }), { Prefer: "wait=60" }),
      producer.post(_echo("a", { key: "k" }), { Prefer: "wait=60", "Idempotency-Key": "i" }),
      producer.request(`/v1/jobs/${first.id}`, { headers: { Prefer: "wait=60" } }),
    ];
    await _until(async () => (await producer.metric("toril_listeners")) === 3);
    await settle(first.id);
    for (const { status, body } of await Promise.all(waiting)) {
      expect([status, body.id, body.status]).toEqual([200, first.id, "completed"]);
    }
    // The stored response is that of the enqueue.
    const replay = await producer.post(_echo("a", { key: "k" }), { "Idempotency-Key": "i" });
    expect([replay.status, replay.body]).toEqual([201, first]);
  });

  test("a client that disconnects ends the wait", async () => {
    const producer = await start();
    const gone = new AbortController();
    const init = { method: "POST", body: JSON.stringify(_echo()), signal: gone.signal };
    const headers = { "Content-Type": "application/json", Prefer: "wait=60" };
    const request = fetch(new URL("/v1/jobs", producer.url), { ...init, headers });
    await _until(async () => (await producer.metric("toril_listeners")) === 1);
    gone.abort();
    await request.catch(() => {});
    await _until(async () => (await producer.metric("toril_listeners")) === 0);
  });

  test("the wait is limited to a minute, and the number of waiting requests to MAX_LISTENERS", async () => {
    const producer = await start({ MAX_LISTENERS: "1" });
    const first = producer.post(_echo("first"), { Prefer: 'respond-async, wait="600"' });
    await _until(async () => (await producer.metric("toril_listeners")) === 1);
    const second = await producer.post(_echo("second"), { Prefer: "wait=60" });
    expect([second.status, second.headers.has("preference-applied")]).toEqual([201, false]);
    _expectProblem(await producer.request("/v1/events"), "at-capacity");
    const [row] = await stores.sql`select id from jobs order by id limit 1`;
    await settle(row!["id"]);
    expect((await first).headers.get("preference-applied")).toBe("wait=60");
  });

  test("a key may hold a quarter of the connections and a tenant half", async () => {
    const own = (await _issue(stores, ["jobs:read"])).key;
    const other = (await _issue(stores, ["jobs:read"], { tenant: "other" })).key;
    const producer = await start({ MAX_LISTENERS: "4" });
    await listen(producer, "/v1/events", _bearer(own));
    const headers = _bearer(own);
    const refused = await producer.request("/v1/events", { headers });
    _expectProblem(refused, "quota-exceeded");
    expect(refused.headers.get("retry-after")).toBe("5");
    const { response } = await listen(producer, "/v1/events", _bearer(other));
    expect(response.status).toBe(200);
  });

  test.each(["wait=soon", "wait=-1", "return=minimal", "await=5"])(
    "%s is ignored",
    async (prefer) => {
      const producer = await start();
      const { status, headers } = await producer.post(_echo(), { Prefer: prefer });
      expect([status, headers.has("preference-applied")]).toEqual([201, false]);
    },
  );

  test("a key without jobs:read does not wait and sees no result", async () => {
    const { key } = await _issue(stores, ["jobs:write"]);
    const producer = await start();
    const { status } = await producer.post(_echo(), { ..._bearer(key), Prefer: "wait=60" });
    expect(status).toBe(201);
  });

  test("the wait works without Redis", async () => {
    const proxy = await _openProxy(stores.settings.REDIS_URL);
    proxy.refuse();
    const producer = await start({ REDIS_URL: proxy.url });
    const waiting = producer.post(_echo(), { Prefer: "wait=60" });
    await _until(async () => (await producer.metric("toril_listeners")) === 1);
    const [row] = await stores.sql`select id from jobs`;
    const stream = listen(producer, `/v1/jobs/${row!["id"]}/events`);
    await _until(async () => (await producer.metric("toril_listeners")) === 2);
    await settle(row!["id"], "cancelled");
    expect((await waiting).body.status).toBe("cancelled");
    await (
      await stream
    ).ended;
    expect((await stream).names().at(-1)).toBe("cancelled");
    _expectProblem(await producer.request("/v1/events"), "at-capacity");
    proxy.close();
  });
});

describe("an event stream", () => {
  test("has the headers of server-sent events", async () => {
    const producer = await start();
    const { response } = await listen(producer, "/v1/queues/default/events");
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(response.headers.get("x-request-id")).toBeTruthy();
    const head = await fetch(new URL("/v1/events", producer.url), { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(await producer.metric("toril_listeners")).toBe(1);
  });

  test("of a settled job sends its final event once", async () => {
    const producer = await start();
    const { body } = await producer.post(_echo());
    await settle(body.id, "expired");
    const path = `/v1/jobs/${body.id}/events`;
    const stream = await listen(producer, path);
    await stream.ended;
    expect(stream.names()).toEqual(["snapshot", "expired"]);
    expect(stream.heard[1]!.data.job.status).toBe("expired");
    const again = await producer.request(path, { headers: { "Last-Event-ID": stream.lastId } });
    expect(again.status).toBe(204);
  });

  test("contains progress and the errors of failed attempts", async () => {
    const producer = await start();
    const { body } = await producer.post(_echo());
    const stream = await listen(producer, `/v1/jobs/${body.id}/events`);
    await _until(() => stream.heard.length === 1);
    await note("event", "active", "jobId", body.id, "prev", "waiting");
    await note("event", "progress", "jobId", body.id, "data", '{"done":1}');
    const hash = `${stores.prefix}:{default}:${body.id}`;
    await stores.redis.hset(hash, { atm: 1, failedReason: "it broke" });
    await note("event", "delayed", "jobId", body.id, "delay", "1764150000000");
    await _until(() => stream.heard.length === 4);
    expect(stream.names()).toEqual(["snapshot", "active", "progress", "failed"]);
    expect(stream.heard[2]!.data.progress).toEqual({ done: 1 });
    expect(stream.heard[3]!.data).toMatchObject({
      attempts: 1,
      error: { message: "it broke" },
      runAt: "2025-11-26T09:40:00.000Z",
    });
  });

  test("contains the cancellation of a job that was never in Redis", async () => {
    const producer = await start();
    const { body } = await producer.post(_echo());
    const { body: other } = await producer.post(_echo());
    const { base, wait } = queueKeys(stores.prefix, "default");
    await stores.redis.del(wait, base + body.id, base + other.id);
    // Drain skips jobs accepted a moment ago.
    await stores.sql`update jobs set created_at = created_at - interval '1 minute'`;
    const streams = await Promise.all(
      ["/v1/events", "/v1/queues/default/events"].map((path) => listen(producer, path)),
    );
    await producer.request(`/v1/jobs/${body.id}`, { method: "DELETE" });
    await producer.client.drainQueue("default");
    await _until(() => streams.every(({ heard }) => heard.length === 2));
    for (const { heard } of streams) {
      expect(heard.map(({ event, data }) => [event, data.id])).toEqual([
        ["cancelled", body.id],
        ["cancelled", other.id],
      ]);
    }
  });

  test("contains only jobs that the key may read", async () => {
    const scopes = ["jobs:write" as const, "jobs:read" as const];
    const { key: other } = await _issue(stores, scopes, { tenant: "other" });
    const { key: own } = await _issue(stores, scopes);
    const { key: narrow } = await _issue(stores, scopes, { queues: ["feeds"] });
    const producer = await start();
    const streams = await Promise.all(
      [own, other, narrow].map((key) => listen(producer, "/v1/events", _bearer(key))),
    );
    const { body } = await producer.post(_echo("mine"), _bearer(own));
    const { body: theirs } = await producer.post(_echo("theirs"), _bearer(other));
    await _until(() => streams[0]!.heard.length > 0 && streams[1]!.heard.length > 0);
    expect(streams[0]!.heard.map(({ data }) => data.id)).toEqual([body.id]);
    expect(streams[1]!.heard.map(({ data }) => data.id)).toEqual([theirs.id]);
    expect(streams[2]!.heard).toEqual([]);
    const of = (key: string, path: string) => producer.request(path, { headers: _bearer(key) });
    _expectProblem(await of(other, `/v1/jobs/${body.id}/events`), "job-not-found");
    _expectProblem(await of(narrow, `/v1/jobs/${body.id}/events`), "forbidden-resource");
    _expectProblem(await of(narrow, "/v1/queues/default/events"), "forbidden-resource");
  });

  test("resumes at another producer and reports gaps", async () => {
    const [first, second] = [await start(), await start()];
    const stream = await listen(first, "/v1/events");
    await first.post(_echo("seen"));
    await _until(() => stream.heard.length === 1);
    await stream.disconnect();
    const missed = [await first.post(_echo("a")), await first.post(_echo("b"))];
    const headers = { "Last-Event-ID": stream.lastId };
    const resumed = await listen(second, "/v1/events", headers);
    const late = await second.post(_echo("c"));
    await _until(() => resumed.heard.length === 3);
    expect(resumed.heard.map(({ data }) => data.id)).toEqual(
      [...missed, late].map(({ body }) => body.id),
    );
    await stores.redis.xtrim(`${stores.prefix}${events}`, "MAXLEN", 2);
    const trimmed = await listen(second, "/v1/events", headers);
    await _until(() => trimmed.heard.length === 2);
    expect(trimmed.names()).toEqual(["gap", "waiting"]);
    expect(trimmed.heard[0]!.data).toEqual({ queue: "default" });
    expect(trimmed.heard[1]!.data.id).toBe(late.body.id);
  });

  test("refuses a malformed Last-Event-ID, an unknown job and an unknown queue", async () => {
    const producer = await start();
    const headers = { "Last-Event-ID": "yesterday" };
    _expectProblem(await producer.request("/v1/events", { headers }), "invalid-parameter");
    _expectProblem(await producer.request("/v1/queues/none/events"), "invalid-parameter");
    _expectProblem(await producer.request("/v1/jobs/none/events"), "invalid-parameter");
    const unknown = crypto.randomUUID();
    _expectProblem(await producer.request(`/v1/jobs/${unknown}/events`), "job-not-found");
    _expectProblem(await producer.request(`/v1/imports/${unknown}/events`), "import-not-found");
  });

  test("of an import ends when the import is done", async () => {
    const producer = await start();
    const { body } = await producer.csv("a\n1\n2\n");
    const path = `/v1/imports/${body.id}/events`;
    const stream = await listen(producer, path);
    await _until(() => stream.heard.length === 1);
    await stores.sql`update imports set completed = 1 where id = ${body.id}`;
    // On a busy machine, a snapshot may only have another pace.
    await _until(() => stream.heard.at(-1)?.data.counts.completed === 1);
    await stores.sql`update imports set completed = 2 where id = ${body.id}`;
    await stream.ended;
    expect(new Set(stream.heard.map(({ event }) => event))).toEqual(new Set(["snapshot"]));
    expect([...new Set(stream.heard.map(({ data }) => data.counts.completed))]).toEqual([0, 1, 2]);
    const again = await producer.request(path, { headers: { "Last-Event-ID": stream.lastId } });
    expect(again.status).toBe(204);
  });

  test("of a slow client is disconnected", async () => {
    const producer = await start();
    const slow = await _connect(producer.url);
    await slow.write(_head("GET /v1/queues/default/events"));
    slow.pause();
    await _until(async () => (await producer.metric("toril_listeners")) === 1);
    const { body } = await producer.post(_echo());
    const progress = JSON.stringify("x".repeat(100_000));
    const isThere = async () => (await producer.metric("toril_listeners")) === 1;
    for (let sent = 0; sent < 1000 && (await isThere()); sent += 1) {
      await note("event", "progress", "jobId", body.id, "data", progress);
    }
    expect(await isThere()).toBe(false);
    slow.destroy();
  });

  test("ends when the producer drains, and so does a waiting request", async () => {
    const producer = await start({ DRAIN_MS: "60000" });
    const { body } = await producer.post(_echo());
    const streams = await Promise.all([
      listen(producer, "/v1/events"),
      listen(producer, "/v1/queues/feeds/events"),
      listen(producer, `/v1/jobs/${body.id}/events`),
    ]);
    const waiting = producer.post(_echo("b"), { Prefer: "wait=60" });
    await _until(async () => (await producer.metric("toril_listeners")) === 4);
    await producer.close();
    expect((await waiting).status).toBe(202);
    for (const stream of streams) await stream.ended;
  });
});

test("the typed client waits for jobs and follows events", async () => {
  const producer = await start();
  const { client } = producer;
  const waiting = client.createJob({ type: "echo", data: { message: "a" } }, { wait: 60 });
  await _until(async () => (await producer.metric("toril_listeners")) === 1);
  const [row] = await stores.sql`select id from jobs`;
  const following = Array.fromAsync(client.followJob(row!["id"]));
  await _until(async () => (await producer.metric("toril_listeners")) === 2);
  const got = client.getJob(row!["id"], { wait: 60 });
  await settle(row!["id"]);
  expect(await waiting).toMatchObject({ status: "completed", settledAt: expect.any(String) });
  expect((await got).status).toBe("completed");
  expect((await following).map(({ event }) => event)).toEqual(["snapshot", "completed"]);
});
