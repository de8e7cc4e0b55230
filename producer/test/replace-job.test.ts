import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { jobKey, lockKey } from "@toril/contract/engine/redis/names";
import {
  _echo,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
} from "./_producer.ts";
import { _openProxy, type _Proxy } from "./_proxy.ts";

let stores: _Stores;
let proxy: _Proxy;
let producer: _Producer;
let other: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  proxy = await _openProxy(stores.settings.REDIS_URL);
  producer = await _startProducer(stores, { REDIS_URL: proxy.url });
  other = await _startProducer(stores);
});
afterEach(() => stores.clear());
afterAll(async () => {
  await producer.close();
  await other.close();
  proxy.close();
  await stores.close();
});

const replacing = { key: "k", keyPolicy: { type: "replace" } };
const _isDispatched = (id: string) => stores.redis.exists(jobKey(stores.prefix, "default", id));
const _row = async (id: string) => (await stores.sql`select * from jobs where id = ${id}`)[0];
const _pending = () => stores.sql<{ id: string }[]>`select id from jobs where status = 'pending'`;

describe("keyPolicy replace", () => {
  test.each([
    ["waits", {}],
    ["is delayed", { delayMs: 60_000 }],
    ["has a priority", { priority: 7 }],
  ])("cancels a pending job that %s", async (_, options) => {
    const { body: first } = await producer.post(_echo("a", { key: "k", ...options }));

    const { status, body } = await producer.post(_echo("b", replacing));

    expect([status, body.outcome, body.replaced]).toEqual([201, "created", first.id]);
    expect(await _row(first.id)).toMatchObject({
      status: "cancelled",
      error: { name: "Replaced" },
    });
    expect([await _isDispatched(first.id), await _isDispatched(body.id)]).toEqual([0, 1]);
    expect((await _pending()).map(({ id }) => id)).toEqual([body.id]);
  });

  test("returns a duplicate if the job is active", async () => {
    const { body: first } = await producer.post(_echo("a", { key: "k" }));
    await stores.redis.set(lockKey(stores.prefix, "default", first.id), "token");

    const { status, body } = await producer.post(_echo("b", replacing));

    expect([status, body.outcome, body.id]).toEqual([200, "duplicate", first.id]);
    expect(body.replaced).toBeUndefined();
    expect(await _isDispatched(first.id)).toBe(1);
  });

  test("creates a job if none is pending, independent of other keys and types", async () => {
    await producer.post(_echo("a", { key: "other" }));
    const { status, body } = await producer.post(_echo("b", replacing));
    expect([status, body.outcome, body.replaced]).toEqual([201, "created", undefined]);
    expect(await _pending()).toHaveLength(2);
  });

  test("replays its response", async () => {
    const { body: first } = await producer.post(_echo("a", { key: "k" }));
    const headers = { "Idempotency-Key": "i" };
    const answer = await producer.post(_echo("b", replacing), headers);
    const replay = await other.post(_echo("b", replacing), headers);
    expect(replay.headers.get("idempotency-replayed")).toBe("true");
    expect([replay.status, replay.body]).toEqual([201, answer.body]);
    expect(answer.body.replaced).toBe(first.id);
    expect(await stores.count()).toMatchObject({ jobs: 2 });
  });

  test("keeps the last entry with the key in a bulk", async () => {
    const { body: first } = await producer.post(_echo("a", { key: "k" }));
    const entries = [_echo("b", { key: "k" }), _echo("c", replacing), _echo("d", replacing)];
    const { body } = await producer.bulk([...entries, _echo("e", { key: "k" })]);
    expect(body.counts).toEqual({ created: 1, duplicate: 3, rejected: 0 });
    const [row] = await _pending();
    expect(body.results.map((result: { id: string }) => result.id)).toEqual(Array(4).fill(row!.id));
    expect(await _row(row!.id)).toMatchObject({ data: { message: "d" } });
    expect(await _row(first.id)).toMatchObject({ status: "cancelled" });
  });

  test("changes nothing in a dry run", async () => {
    const { body: first } = await producer.post(_echo("a", { key: "k" }));
    await producer.request("/v1/jobs?dryRun=true", _json(_echo("b", replacing)));
    expect(await _row(first.id)).toMatchObject({ status: "pending" });
  });

  test("leaves one pending job of many concurrent requests to several producers", async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, at) =>
        (at % 2 === 0 ? producer : other).post(_echo(String(at), replacing)),
      ),
    );

    const pending = await _pending();
    expect(pending).toHaveLength(1);
    const created = new Set(
      answers.filter(({ body }) => body.outcome === "created").map(({ body }) => body.id),
    );
    const rows = await stores.sql<{ id: string; status: string }[]>`select id, status from jobs`;
    expect(new Set(rows.map(({ id }) => id))).toEqual(created);
    expect(rows.filter(({ status }) => status === "cancelled")).toHaveLength(created.size - 1);
    expect(await stores.count()).toMatchObject({ dispatched: 1 });
    const replaced = answers.flatMap(({ body }) => body.replaced ?? []);
    expect(new Set(replaced)).toEqual(created.difference(new Set(pending.map(({ id }) => id))));
  });

  test("records the new job and cancels the old one while Redis is unavailable", async () => {
    const { body: first } = await producer.post(_echo("a", { key: "k" }));
    proxy.refuse();
    const { status, body } = await producer.post(_echo("b", replacing));
    proxy.pass();
    await _until(async () => (await producer.metric("toril_redis_unavailable")) === 0);
    expect([status, body.replaced]).toEqual([202, first.id]);
    expect(await _row(first.id)).toMatchObject({ status: "cancelled" });
  });
});
