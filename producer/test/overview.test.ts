import { createSendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Overview } from "@toril/client";
import type { Scope } from "@toril/contract/api/access/scope";
import { addUpdate } from "../console/pages/overview/add-update.ts";
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
import { _createWorker } from "./_pull.ts";
import { _openProxy } from "./_proxy.ts";

let stores: _Stores;
let producers: [_Producer, _Producer];

beforeAll(async () => {
  stores = await _openStores();
  producers = [await _startProducer(stores), await _startProducer(stores)];
});
afterAll(async () => {
  await Promise.all(producers.map((producer) => producer.close()));
  await stores.close();
});

test("every producer shows what all of them accepted and what waits", async () => {
  for (let count = 0; count < 3; count += 1) await producers[0].post(_echo());
  await producers[0].request("/v1/queues/feeds/pause", { method: "POST" });
  const [one, other] = producers.map(({ client }) => client);
  let seen: Overview | undefined;
  await _until(async () => {
    seen = await other!.getOverview();
    const isSampled = seen.slots.some(({ waiting }) => waiting === 3);
    return isSampled && seen.recent.commitMs !== null;
  });
  const { slots, queues, redis } = seen!;
  expect(slots.length).toBe(180);
  expect(queues.find(({ name }) => name === "default")).toMatchObject({
    waiting: 3,
    active: 0,
    workers: 0,
    paused: false,
  });
  expect(queues.find(({ name }) => name === "feeds")).toMatchObject({ paused: true });
  expect(redis.usedBytes).toBeGreaterThan(100_000);
  const same = await one!.getOverview();
  const picture = ({ queues, recent }: Overview) => ({
    queues: queues.map((queue) => ({ ...queue, oldestWaitingMs: 0 })),
    isCommitSeen: recent.commitMs !== null,
  });
  expect(picture(same)).toEqual(picture(seen!));
});

test("a worker that serves several queues counts once, by its kind", async () => {
  const send = createSendHeartbeat(stores.redis, stores.prefix);
  const startedAt = new Date().toISOString();
  const beat = { host: "one", pid: 7, concurrency: 5, active: 0, startedAt };
  for (const queue of ["default", "feeds"]) {
    await send(queue, `consumer ${queue}`, { ...beat, kind: "consumer" });
    await send(queue, `pull ${queue}`, { ...beat, kind: "pull", pid: 0 });
  }
  await send("default", "other", { ...beat, host: "two" });
  const [{ client }] = producers;
  await client.putJobType("pushed", {
    data: {},
    worker: "push",
    push: { url: "https://push.example.com/" },
  });
  await _until(async () => {
    const { consumers, pull, pushEndpoints, stock } = (await client.getOverview()).workers;
    return [consumers, pull, pushEndpoints, stock].join() === "2,1,1,0";
  });
});

test("the time to settle is that of jobs that an attempt settled", async () => {
  const [producer] = producers;
  const { client } = producer;
  await client.putJobType("settled", { data: {}, worker: "pull" });
  const worker = _createWorker(producer);
  const { id } = await client.createJob({ type: "settled", data: {} });
  await worker.finish((await worker.take({ types: ["settled"] }))[0]!, { outcome: "completed" });
  expect((await client.getJob(id)).status).toBe("completed");
  await _until(async () => {
    const { recent, slots } = await client.getOverview();
    return recent.settleMs !== null && slots.some(({ settleMs }) => settleMs !== null);
  });
});

test("the stream of the overview has all slots after each connection, and then the latest ones", async () => {
  const [{ client }] = producers;
  for (let connection = 0; connection < 2; connection += 1) {
    const abort = new AbortController();
    const events = client.followOverview({ signal: abort.signal });
    const { value: first } = await events.next();
    const { value: next } = await events.next();
    const { value: last } = await events.next();
    abort.abort();
    expect([first, next, last].map((sent) => sent?.event)).toEqual([
      "snapshot",
      "update",
      "update",
    ]);
    expect(first!.data.slots).toHaveLength(180);
    expect(next!.data.slots.length).toBeLessThan(90);
    let shown = addUpdate(addUpdate(undefined, first!.data), next!.data);
    shown = addUpdate(shown, last!.data);
    expect(shown.slots).toHaveLength(180);
    const steps = shown.slots
      .slice(1)
      .map(({ at }, index) => Date.parse(at) - Date.parse(shown.slots[index]!.at));
    expect(new Set(steps)).toEqual(new Set([shown.slotMs]));
    expect(shown.at).toBe(last!.data.at);
  }
});

test("without Redis, the overview is refused, and its streams end", async () => {
  const proxy = await _openProxy(stores.settings.REDIS_URL);
  const producer = await _startProducer(stores, { REDIS_URL: proxy.url });
  const stream = await fetch(new URL("/v1/overview/events", producer.url));
  proxy.refuse();
  try {
    expect(await stream.text()).toStartWith("event: snapshot");
    _expectProblem(await producer.request("/v1/overview"), "at-capacity");
  } finally {
    await producer.close();
    proxy.close();
  }
});

test("without a Prometheus, the history is refused with the variable to set", async () => {
  const answer = await producers[0].request("/v1/overview/history?range=6h");
  _expectProblem(answer, "history-not-configured");
  expect(answer.body.detail).toContain("PROMETHEUS_URL");
  expect((await producers[0].client.getOverview()).hasHistory).toBe(false);
});

test("while Prometheus is away, the history is refused, and the overview is not", async () => {
  const prometheus = await _openProxy("http://127.0.0.1:1");
  const producer = await _startProducer(stores, { PROMETHEUS_URL: prometheus.url });
  prometheus.refuse();
  try {
    _expectProblem(await producer.request("/v1/overview/history?range=7d"), "history-unavailable");
    expect((await producer.client.getOverview()).hasHistory).toBe(true);
    _expectProblem(await producer.request("/v1/overview/history?range=9d"), "invalid-parameter");
  } finally {
    await producer.close();
    await prometheus.close();
  }
});

test.each([
  [{ PROMETHEUS_URL: "http://user:pass@prometheus:9090", PROMETHEUS_TOKEN: "t" }, /both set/],
  [
    { PROMETHEUS_URL: "http://prometheus:9090", PROMETHEUS_MATCHERS: 'a="b"} or up{c="d"' },
    /label/,
  ],
])("a Prometheus that is configured with %o is refused", async (settings, message) => {
  expect(await _startProducer(stores, settings).catch(String)).toMatch(message);
});

test("keys of other tenants and restricted keys see their own queues only", async () => {
  const scopes: Scope[] = ["metrics:read", "types:admin"];
  const acme = await _issue(stores, scopes, { tenant: "acme" });
  const restricted = await _issue(stores, scopes, { types: ["row.import"] });
  const operator = await _issue(stores, scopes);
  const [producer] = producers;
  const read = async ({ key }: { key: string }) => {
    const { body } = await producer.request("/v1/overview", { headers: _bearer(key) });
    return body.queues?.map(({ name }: { name: string }) => name);
  };
  await _until(async () => (await read(operator)) !== undefined);
  const registration = _json({ data: {}, worker: "pull" }, _bearer(operator.key));
  const put = { ...registration, method: "PUT" };
  expect((await producer.request("/v1/job-types/private.mail", put)).status).toBe(201);
  await _until(async () => (await read(operator)).includes("private.mail"));
  expect(await read(acme)).not.toContain("private.mail");
  expect(await read(acme)).toContain("default");
  expect(await read(restricted)).not.toContain("feeds");
  const follow = async ({ key }: { key: string }) => {
    const stream = await fetch(new URL("/v1/overview/events", producer.url), {
      headers: _bearer(key),
    });
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return value;
  };
  expect(await follow(operator)).toContain("private.mail");
  expect(await follow(acme)).not.toContain("private.mail");
});
