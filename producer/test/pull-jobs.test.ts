import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { _listen } from "./_events.ts";
import { _openStores, _startProducer, _until, type _Producer, type _Stores } from "./_producer.ts";
import { _createWorker, _pullRegistry } from "./_pull.ts";

let stores: _Stores;
let producer: _Producer;
let other: _Producer;
let worker: ReturnType<typeof _createWorker>;
let otherWorker: ReturnType<typeof _createWorker>;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores, {}, _pullRegistry);
  other = await _startProducer(stores, {}, _pullRegistry);
  worker = _createWorker(producer);
  otherWorker = _createWorker(other);
});

afterAll(async () => {
  await producer.close();
  await other.close();
  await stores.close();
});

beforeEach(() => stores.clear());

const _resize = { type: "test.resize", data: { url: "a.png" } };
const _completed = { outcome: "completed", result: { width: 5 } };

async function _enqueue(): Promise<string> {
  const { status, body, text } = await producer.post(_resize);
  expect(status, text).toBe(201);
  return body.id;
}

const _setConcurrency = (concurrency: number | null) =>
  producer.client.changeQueue("images", { concurrency });

test("clients wait for a job that a worker finishes at another producer", async () => {
  const enqueued = producer.post(_resize, { Prefer: "wait=60" });
  const [job] = await otherWorker.take({ waitMs: 60_000 });
  const got = producer.request(`/v1/jobs/${job!.id}`, { headers: { Prefer: "wait=60" } });
  await _until(async () => (await producer.metric("toril_listeners")) === 2);
  await otherWorker.finish(job!, _completed);
  expect((await enqueued).body).toMatchObject({ status: "completed", result: { width: 5 } });
  expect((await got).body).toMatchObject({ status: "completed", attempts: { made: 1 } });
});

test("a client waits until the last attempt of a worker has failed", async () => {
  const enqueued = producer.post(_resize, { Prefer: "wait=60" });
  for (const message of ["first", "last"]) {
    const [job] = await otherWorker.take({ waitMs: 60_000 });
    await otherWorker.finish(job!, { outcome: "failed", error: { message } });
  }
  expect((await enqueued).body).toMatchObject({ status: "dead", error: { message: "last" } });
});

test("an event stream contains what workers at another producer do", async () => {
  const id = await _enqueue();
  const stream = await _listen(new URL(`/v1/jobs/${id}/events`, producer.url));
  await _until(() => stream.heard.length === 1);
  const [first] = await otherWorker.take();
  await otherWorker.extend(first!, { progress: 40 });
  await otherWorker.finish(first!, { outcome: "failed", error: { message: "it broke" } });
  const [second] = await otherWorker.take({ waitMs: 60_000 });
  await otherWorker.finish(second!, _completed);
  await stream.ended;
  const names = stream.names().filter((name) => name !== "waiting");
  expect(names).toEqual(["snapshot", "active", "progress", "failed", "active", "completed"]);
  const { data } = stream.heard.find(({ event }) => event === "failed")!;
  expect(data).toMatchObject({
    attempts: 1,
    error: { message: expect.stringContaining("it broke") },
  });
  expect(stream.heard.at(-1)!.data.job).toMatchObject({ status: "completed" });
});

test("workers of all producers together hold no more jobs than the concurrency of the queue", async () => {
  await _setConcurrency(2);
  try {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push(await _enqueue());
    const taken = await worker.take({ max: 10 });
    expect(taken.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(await otherWorker.take({ max: 10 })).toEqual([]);

    // A worker that waits gets the slot that another one leaves, also at another producer.
    const waiting = otherWorker.take({ max: 10, waitMs: 60_000 });
    await _until(async () => (await other.metric("toril_waiting_workers")) === 1);
    await worker.finish(taken[0]!, _completed);
    const [third, ...none] = await waiting;
    expect([third!.id, ...none]).toEqual(ids.slice(2, 3));

    // A worker that finishes jobs takes as many as it leaves.
    const { body } = await worker.call("finish", {
      results: [{ id: taken[1]!.id, lease: taken[1]!.lease, ..._completed }],
      take: { queues: ["images"], max: 10 },
    });
    expect(body.jobs.map(({ id }: { id: string }) => id)).toEqual(ids.slice(3, 4));

    const unlimited = otherWorker.take({ max: 10, waitMs: 60_000 });
    await _until(async () => (await other.metric("toril_waiting_workers")) === 1);
    await _setConcurrency(null);
    expect((await unlimited).map(({ id }) => id)).toEqual(ids.slice(4));
  } finally {
    await _setConcurrency(null);
  }
});

const _limits = [
  ["test.limited", "test.limited", (host: string) => ({ site: { host } })],
  ["test.crawl", "sites", (host: string) => ({ url: `http://${host}/` })],
] as const;

test.each(_limits)(
  "workers of all producers together keep the rate limit of each key: %s",
  async (type, queue, toData) => {
    if (type === "test.limited") {
      const rateLimit = { key: "/site/host", max: 1, durationMs: 3_600_000 };
      await producer.client.putJobType(type, { data: { type: "object" }, rateLimit });
    }
    const hosts = ["a.example", "a.example", "b.example", "a.example"];
    for (const host of hosts) {
      const { status } = await producer.post({ type, data: toData(host) });
      expect(status).toBe(201);
    }
    const taken = await worker.take({ types: [type], max: 2 });
    taken.push(...(await otherWorker.take({ types: [type], max: 10 })));
    expect(taken.map(({ data }) => data)).toEqual([toData("a.example"), toData("b.example")]);
    const { counts } = await producer.client.getQueue(queue);
    expect(counts).toMatchObject({ waiting: 0, active: 2, delayed: 2 });
    // A job that waits for its rate has used up no attempt.
    const [waiting] = (await producer.client.listJobs({ type, status: "pending" })).items;
    expect(waiting!.attempts.made).toBe(0);
  },
);

test("workers of all producers together keep the rate limit of the queue", async () => {
  await producer.client.changeQueue("images", { rateLimit: { max: 2, durationMs: 3_600_000 } });
  try {
    for (let count = 0; count < 3; count += 1) await _enqueue();
    expect(await worker.take({ max: 10 })).toHaveLength(2);
    expect(await otherWorker.take({ max: 10, waitMs: 50 })).toEqual([]);
  } finally {
    await producer.client.changeQueue("images", { rateLimit: null });
  }
  // Without the limit, its period has no effect.
  expect(await otherWorker.take({ max: 10, waitMs: 60_000 })).toHaveLength(1);
});
