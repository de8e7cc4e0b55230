import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Quotas } from "@toril/contract/api/access/quota";
import { _bearer, _issue } from "./_keys.ts";
import {
  type _Answer,
  _echo,
  _expectProblem,
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
let one: _Producer;
let other: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  proxy = await _openProxy(stores.settings.REDIS_URL);
  [one, other] = await Promise.all([
    _startProducer(stores, { REDIS_URL: proxy.url }),
    _startProducer(stores),
  ]);
});
beforeEach(() => proxy.pass());
afterEach(() => stores.clear());
afterAll(async () => {
  await Promise.all([one.close(), other.close()]);
  proxy.close();
  await stores.close();
});

/** Creates a key with quotas and functions that send requests with it. */
async function holder(quotas: Quotas | null) {
  const { key, id } = await _issue(stores, ["jobs:write", "jobs:read"], { quotas });
  const headers = _bearer(key);
  return {
    id,
    headers,
    post: (producer = one, body: unknown = _echo()) => producer.post(body, headers),
    bulk: (count: number, producer = one) =>
      producer.bulk(
        Array.from({ length: count }, () => _echo()),
        "",
        headers,
      ),
    csv: (rows: number, producer = one) =>
      producer.request("/v1/imports?type=row.import", {
        method: "POST",
        headers: { ...headers, "Content-Type": "text/csv" },
        body: `a\n${"1\n".repeat(rows)}`,
      }),
  };
}

const statuses = (answers: _Answer[]) => answers.map(({ status }) => status);

async function sendInSequence(count: number, send: (index: number) => Promise<_Answer>) {
  const answers: _Answer[] = [];
  for (let index = 0; index < count; index += 1) answers.push(await send(index));
  return answers;
}

function expectExceeded(answer: _Answer) {
  _expectProblem(answer, "quota-exceeded");
  expect(answer.status).toBe(429);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(answer.headers.get("ratelimit")).toBeTruthy();
  expect(answer.headers.get("ratelimit-policy")).toBeTruthy();
}

describe("quotas", () => {
  const validKey = { name: "shop", scopes: ["jobs:write"] };
  let headers: { Authorization: string };

  beforeAll(async () => {
    headers = _bearer((await _issue(stores, ["keys:admin"])).key);
  });

  test("quotas are set when a key is created, shown with the key and kept on rotation", async () => {
    const quotas = { rate: 10, burst: 20, maxWaiting: 5, bytes: 1000 };
    const made = await one.request("/v1/keys", _json({ ...validKey, quotas }, headers));
    expect(made.body.quotas).toEqual(quotas);
    const path = `/v1/keys/${made.body.id}`;
    expect((await other.request(path, { headers })).body.quotas).toEqual(quotas);
    const rotated = await one.request(`${path}/rotate`, { method: "POST", headers });
    expect(rotated.body.quotas).toEqual(quotas);
    const answer = await one.post(_echo(), _bearer(rotated.body.key));
    expect(answer.headers.get("ratelimit-policy")).toStartWith('"jobs";q=20;w=2, "bytes";q=1000');
  });

  test.each([
    [{ quotas: { burst: 5 } }, "/quotas/burst"],
    [{ quotas: { rate: 0 } }, "/quotas/rate"],
    [{ quotas: { rate: 1, perDay: 5 } }, "/quotas/perDay"],
    [{ quotas: { rate: 1 }, scopes: ["keys:admin"] }, "/scopes"],
  ])("invalid quotas are refused: %j", async (wrong, pointer) => {
    const answer = await one.request("/v1/keys", _json({ ...validKey, ...wrong }, headers));
    expect(_expectProblem(answer, "invalid-key").errors?.[0]?.pointer).toBe(pointer);
  });
});

describe("jobs per second", () => {
  test("the rate is shared by all producers", async () => {
    const { post } = await holder({ rate: 1, burst: 5 });
    const answers = await sendInSequence(10, (index) => post(index % 2 === 0 ? one : other));
    const accepted = answers.filter(({ status }) => status === 201);
    // The requests may take a second, in which tokens are refilled.
    expect(accepted.length).toBeWithin(5, 9);
    expect(await stores.count()).toMatchObject({ jobs: accepted.length });
    const refused = answers.find(({ status }) => status !== 201);
    expectExceeded(refused!);
  });

  test("RateLimit shows the remaining quota and Retry-After when it is refilled", async () => {
    const { post } = await holder({ rate: 2, burst: 3 });
    const answer = await post();
    expect(answer.headers.get("ratelimit-policy")).toBe('"jobs";q=3;w=2');
    expect(answer.headers.get("ratelimit")).toBe('"jobs";r=2;t=1');
    await _until(async () => (await post()).status === 429);
    await _until(async () => (await post()).status === 201);
  });

  test("every job of a bulk counts, and the bulk is accepted as a whole or refused", async () => {
    const { post, bulk } = await holder({ rate: 1, burst: 5 });
    expectExceeded(await bulk(6));
    await _until(async () => (await bulk(4)).status === 201);
    expect((await bulk(4, other)).status).toBe(429);
    expect(await stores.count()).toMatchObject({ jobs: 4 });
    expect((await post(other)).status).toBeOneOf([201, 429]);
  });

  test("an import of any size is slowed down", async () => {
    const { csv } = await holder({ rate: 200, burst: 50 });
    const answer = await csv(150);
    expect(answer.body.counts).toMatchObject({ read: 150, accepted: 150 });
    expect(answer.headers.get("ratelimit")).toMatch(/^"jobs";r=\d+;/);
    // A transaction records no more jobs than the burst.
    const [row] = await stores.sql<{ transactions: number }[]>`
      select count(distinct created_at)::int as transactions from jobs`;
    expect(row!.transactions).toBeGreaterThanOrEqual(3);
  });

  test("reads, other keys and keys without quotas are not limited", async () => {
    const { post, headers } = await holder({ rate: 1, burst: 1 });
    await _until(async () => (await post()).status === 429);
    expect((await one.request("/v1/jobs", { headers })).status).toBe(200);
    const others = await holder({ rate: 1, burst: 1 });
    expect((await others.post()).status).toBe(201);
    const unlimited = await holder(null);
    const answer = await unlimited.post();
    expect(answer.status).toBe(201);
    expect(answer.headers.has("ratelimit")).toBe(false);
    expect(answer.headers.has("ratelimit-policy")).toBe(false);
  });

  test("each producer enforces the rate alone while Redis is unavailable", async () => {
    const { post } = await holder({ rate: 1, burst: 5 });
    expect((await post()).status).toBe(201);
    proxy.refuse();
    const answers = await sendInSequence(10, () => post());
    const accepted = answers.filter(({ status }) => status === 202).length;
    expect(accepted).toBeWithin(4, 8);
    expectExceeded(answers.at(-1)!);
    proxy.pass();
    await _until(async () => (await post()).status === 201);
  });
});

describe("bytes per second", () => {
  test("bodies with and without Content-Length are limited", async () => {
    const { headers, post } = await holder({ bytes: 1000 });
    const large = _echo("x".repeat(5000));
    expect((await post(one, large)).status).toBe(201);
    const answer = await post(other, large);
    expectExceeded(answer);
    expect(Number(answer.headers.get("retry-after"))).toBeWithin(2, 7);
    const stream = new Blob([JSON.stringify(_echo())]).stream();
    const chunked = await one.request("/v1/jobs", { ..._json("", headers), body: stream });
    expectExceeded(chunked);
    expect(await stores.count()).toMatchObject({ jobs: 1 });
  });

  test("bodies of workers and of registered types are limited", async () => {
    const { key } = await _issue(stores, ["jobs:work", "types:admin"], { quotas: { bytes: 1000 } });
    const headers = _bearer(key);
    const large = _json({ results: [], padding: "x".repeat(5000) }, headers);
    await _until(async () => (await one.request("/v1/whoami", { headers })).status === 200);
    expect((await one.request("/v1/worker/finish", large)).status).toBe(422);
    expectExceeded(await one.request("/v1/worker/finish", large));
    expectExceeded(await one.request("/v1/worker/extend", large));
    expectExceeded(await one.request("/v1/worker/take", _json({}, headers)));
    const put = { ...large, method: "PUT" };
    expectExceeded(await one.request("/v1/job-types/quota.mail", put));
  });

  test("an import is slowed down", async () => {
    const { csv, post } = await holder({ bytes: 1500 });
    expect((await csv(2500)).body.counts.accepted).toBe(2500);
    expect((await post()).status).toBe(429);
    expect((await csv(10)).body.counts.accepted).toBe(10);
  });
});

describe("waiting jobs", () => {
  const settle = (id: string, count: number) => stores.sql`
    update jobs set status = 'completed' where id in (
      select id from jobs where quota_key = ${id} and status = 'pending' limit ${count})`;

  test("waiting jobs are limited until some have ended", async () => {
    const { id, post } = await holder({ maxWaiting: 10 });
    const answers = await sendInSequence(15, () => post());
    const refused = Array.from({ length: 5 }, () => 429);
    expect(statuses(answers)).toEqual([...Array.from({ length: 10 }, () => 201), ...refused]);
    expectExceeded(answers.at(-1)!);
    expect(answers[3]!.headers.get("ratelimit-policy")).toBe(
      '"waiting";q=10;qu="concurrent-requests"',
    );
    expect(answers[3]!.headers.get("ratelimit")).toBe('"waiting";r=6');
    await settle(id, 3);
    await _until(async () => (await post()).status === 201);
    expect((await post()).status).toBe(201);
    expect((await post()).status).toBe(201);
    expectExceeded(await post());
  });

  test("retried jobs count", async () => {
    const { post, headers } = await holder({ maxWaiting: 3 });
    const ids = (await sendInSequence(3, () => post())).map(({ body }) => body.id as string);
    await stores.sql`update jobs set status = 'dead', settled_at = now()`;
    await _until(async () => (await post()).status === 201);
    expect((await post()).status).toBe(201);
    const again = (path: string, body?: unknown) =>
      one.request(path, body ? _json(body, headers) : { method: "POST", headers });

    _expectProblem(await again("/v1/dead-letters/redrive", { ids }), "quota-exceeded");
    expect((await again(`/v1/jobs/${ids[0]}/retry`)).status).toBe(202);
    _expectProblem(await again(`/v1/jobs/${ids[1]}/retry`), "quota-exceeded");
    _expectProblem(await again(`/v1/dead-letters/${ids[1]}/redrive`), "quota-exceeded");
    const pending = await stores.sql`select from jobs where status = 'pending'`;
    expect(pending).toHaveLength(3);
  });

  test("a job counts for the key that made it pending", async () => {
    const { id, headers } = await holder({ maxWaiting: 2 });
    const other = await holder({ maxWaiting: 10 });
    const ids = (await sendInSequence(3, () => other.post())).map(({ body }) => body.id);
    await stores.sql`update jobs set status = 'dead', settled_at = now()`;
    const retry = (job: string) =>
      one.request(`/v1/jobs/${job}/retry`, { method: "POST", headers });
    expect((await retry(ids[0])).status).toBe(202);
    expect((await retry(ids[1])).status).toBe(202);
    _expectProblem(await retry(ids[2]), "quota-exceeded");

    const requested = await one.request(
      "/v1/operations",
      _json({ action: "retry", filter: {}, all: true }, headers),
    );
    expect(requested.status).toBe(202);
    // The consumer applies this key's quotas to the operation.
    const [operation] = await stores.sql`
      select quota_key from operations where id = ${requested.body.id}`;
    expect(operation).toEqual({ quota_key: id });
  });

  test("concurrent requests do not exceed the limit", async () => {
    const { id, post } = await holder({ maxWaiting: 10 });
    const answers = await Promise.all(Array.from({ length: 60 }, () => post()));
    expect(answers.filter(({ status }) => status === 201).length).toBeWithin(1, 11);
    await _until(async () => {
      await post();
      return (await stores.count()).jobs === 10;
    });
    await settle(id, 1);
    await _until(async () => (await post()).status === 201);
    expect((await post()).status).toBe(429);
  });

  test("a bulk is accepted as a whole or refused, even with concurrent requests at another producer", async () => {
    const { bulk, id } = await holder({ maxWaiting: 10 });
    expectExceeded(await bulk(11));
    expect((await bulk(6)).status).toBe(201);
    expectExceeded(await bulk(6, other));
    await settle(id, 6);
    await _until(async () => (await bulk(6, other)).status === 201);
    expect(await stores.count()).toMatchObject({ jobs: 12 });
  });

  test("an import waits until some jobs have ended", async () => {
    const { csv, id } = await holder({ maxWaiting: 10 });
    const answer = csv(25);
    let settled = 0;
    while (settled < 25) settled += (await settle(id, 5)).count;
    expect((await answer).body.counts).toMatchObject({ read: 25, accepted: 25 });
  });

  test("duplicates and replays do not count", async () => {
    const { post, headers } = await holder({ maxWaiting: 10 });
    for (let count = 0; count < 20; count += 1) {
      expect((await post(one, _echo("a", { key: "k" }))).status).toBeOneOf([200, 201]);
      const again = await one.post(_echo(), { ...headers, "Idempotency-Key": "1" });
      expect(again.status).toBe(201);
    }
    expect(await stores.count()).toMatchObject({ jobs: 2 });
  });

  test("refused requests do not count", async () => {
    const { post } = await holder({ maxWaiting: 1 });
    for (let count = 0; count < 5; count += 1) {
      _expectProblem(await post(one, { type: "echo", data: {} }), "invalid-job");
    }
    expect((await post()).status).toBe(201);
    expect((await post()).status).toBe(429);
  });
});
