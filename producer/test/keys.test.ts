import { afterAll, beforeAll, expect, test } from "bun:test";
import { createClient } from "@toril/client";
import type { IssuedApiKey, NewApiKey } from "@toril/contract/api/access/api-key";
import { _basic, _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let admin: IssuedApiKey;

beforeAll(async () => {
  stores = await _openStores();
  admin = await _issue(stores, ["keys:admin"], { name: "admin" });
  producer = await _startProducer(stores);
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const csv = { method: "POST", headers: { "Content-Type": "text/csv" }, body: "a\n1\n" };

function as(key: string, path: string, init: RequestInit = {}) {
  const headers = { ...(init.headers as Record<string, string>), ..._bearer(key) };
  return producer.request(path, { ...init, headers });
}

function createClientAt(key: string) {
  return createClient({ baseUrl: producer.url.href, apiKey: key });
}

test("a key is shown once, and only its hash is stored", async () => {
  const made = await as(admin.key, "/v1/keys", _json({ name: "shop", scopes: ["jobs:write"] }));
  expect(made.status).toBe(201);
  expect(made.headers.get("cache-control")).toBe("no-store");
  const { key, ...rest } = made.body;
  expect(key).toMatch(/^toril_[0-9a-z]{17}_[0-9a-f]{64}$/);
  expect(key).toContain(rest.id);
  expect(made.headers.get("location")).toBe(`/v1/keys/${rest.id}`);
  expect((await as(admin.key, `/v1/keys/${rest.id}`)).body).toEqual(rest);
  expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  const dump = JSON.stringify([
    await stores.sql`select * from api_keys`,
    producer.lines,
    (await as(admin.key, "/v1/keys")).body,
  ]);
  expect(dump).toContain(rest.id);
  expect(dump).not.toContain(key.split("_").at(-1));
});

test.each([
  [{ scopes: ["jobs:read"] }, "/name"],
  [{ name: "", scopes: ["jobs:read"] }, "/name"],
  [{ name: "a\nb", scopes: ["jobs:read"] }, "/name"],
  [{ name: "a", scopes: [] }, "/scopes"],
  [{ name: "a", scopes: ["jobs:all"] }, "/scopes/0"],
  [{ name: "a", scopes: ["jobs:read", "jobs:read"] }, "/scopes"],
  [{ name: "a", scopes: ["jobs:read"], queues: [] }, "/queues"],
  [{ name: "a", scopes: ["jobs:read"], queues: ["bulls"] }, "/queues/0"],
  [{ name: "a", scopes: ["jobs:read"], types: ["bull"] }, "/types/0"],
  [{ name: "a", scopes: ["jobs:read"], expiresAt: "tomorrow" }, "/expiresAt"],
  [{ name: "a", scopes: ["jobs:read"], tenant: "other" }, "/tenant"],
  [{ name: "a", scopes: ["keys:admin"], types: ["echo"] }, "/scopes"],
])("%j is refused with an error at %s", async (body, pointer) => {
  const answer = await as(admin.key, "/v1/keys", _json(body));
  const { errors } = _expectProblem(answer, "invalid-key");
  expect(errors?.map((error) => error.pointer)).toEqual([pointer]);
});

test("the keys of the tenant are listed newest first, in pages", async () => {
  const own = await _issue(stores, ["keys:admin"], { tenant: "acme", name: "own" });
  const client = createClientAt(own.key);
  const ids = [own.id];
  for (const name of ["a", "b", "c", "d"]) {
    const { id, tenant } = await client.createKey({ name, scopes: ["jobs:read"] });
    expect(tenant).toBe("acme");
    ids.unshift(id);
  }
  const found: string[] = [];
  let next: string | null = null;
  do {
    const page = await client.listKeys({ limit: 2, ...(next === null ? {} : { cursor: next }) });
    found.push(...page.items.map(({ id }) => id));
    ({ next } = page);
  } while (next !== null);
  expect(found.toSorted()).toEqual(ids.toSorted());
  expect(found).toEqual(found.toSorted().toReversed());
  _expectProblem(await as(own.key, "/v1/keys?cursor=bm90IGE"), "invalid-parameter");
});

test("the use of a key's quotas is what all producers took", async () => {
  const client = createClientAt(admin.key);
  const quotas = { rate: 1, burst: 100, maxWaiting: 50 };
  const limited = await client.createKey({ name: "limited", scopes: ["jobs:write"], quotas });
  const jobs = Array.from({ length: 40 }, () => ({ type: "echo", data: { message: "x" } }));
  await createClientAt(limited.key).createJobs(jobs);
  const use = await client.getKeyUse(limited.id);
  expect(use).toEqual({
    jobs: { available: expect.any(Number), burst: 100, perSecond: 1 },
    bytes: null,
    waiting: { pending: 40, max: 50 },
  });
  expect(use.jobs!.available).toBeLessThan(100);
});

test("a rotated key has a new secret; the old one is valid during the grace period", async () => {
  const client = createClientAt(admin.key);
  const first = await client.createKey({ name: "shop", scopes: ["jobs:write"] });
  const second = await client.rotateKey(first.id, { graceMs: 60_000 });
  expect(second.id).toBe(first.id);
  for (const { key } of [first, second]) {
    expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  }
  const third = await client.rotateKey(first.id);
  expect((await producer.post(_echo(), _bearer(third.key))).status).toBe(201);
  for (const { key } of [first, second]) {
    _expectProblem(await producer.post(_echo(), _bearer(key)), "unauthenticated");
  }
});

test("the old secret ends with its grace period, even if it was just used", async () => {
  const client = createClientAt(admin.key);
  const { id, key } = await client.createKey({ name: "shop", scopes: ["jobs:write"] });
  await client.rotateKey(id, { graceMs: 300 });
  const statuses = new Set<number>();
  while (!statuses.has(401)) statuses.add((await producer.post(_echo(), _bearer(key))).status);
  expect([...statuses]).toEqual([201, 401]);
});

const asJson = { "Content-Type": "application/json" };

test.each([
  ["no body", () => ({})],
  ["an empty object", () => ({ body: "{}", headers: asJson })],
  ["a stream", () => ({ body: new Blob(["{}"]).stream(), headers: asJson })],
])("a key can be rotated with %s", async (_, init) => {
  const { id } = await _issue(stores, ["jobs:read"]);
  const rotated = await as(admin.key, `/v1/keys/${id}/rotate`, { method: "POST", ...init() });
  expect(rotated.status).toBe(200);
});

test("an invalid rotation request changes nothing", async () => {
  const { id, key } = await _issue(stores, ["jobs:read"]);
  const rotate = `/v1/keys/${id}/rotate`;
  _expectProblem(await as(admin.key, rotate, _json({ graceMs: -1 })), "invalid-key");
  _expectProblem(await as(admin.key, rotate, _json("{")), "invalid-json");
  _expectProblem(await as(admin.key, "/v1/keys/1/rotate", { method: "POST" }), "invalid-parameter");
  expect((await as(key, "/v1/jobs")).status).toBe(200);
});

test("a revoked key is refused, stays listed and cannot be rotated", async () => {
  const { id, key } = await _issue(stores, ["jobs:write"]);
  expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  const revoked = await as(admin.key, `/v1/keys/${id}`, { method: "DELETE" });
  expect(revoked.body.revokedAt).toBeString();
  _expectProblem(await producer.post(_echo(), _bearer(key)), "unauthenticated");
  const again = await as(admin.key, `/v1/keys/${id}`, { method: "DELETE" });
  expect(again.body).toEqual(revoked.body);
  expect((await as(admin.key, `/v1/keys/${id}`)).body).toEqual(revoked.body);
  const rotated = await as(admin.key, `/v1/keys/${id}/rotate`, { method: "POST" });
  _expectProblem(rotated, "key-ended");
});

const limits: Partial<NewApiKey>[] = [{ types: ["echo"] }, { queues: ["default"] }];

test.each(limits)(
  "a key restricted to %j has no access to other jobs",
  async ({ types = null, queues = null }) => {
    const all = (await _issue(stores, ["jobs:write", "jobs:read"])).key;
    const row = { type: "row.import", data: { importId: crypto.randomUUID(), row: 1, values: {} } };
    const { body: job } = await producer.post(row, _bearer(all));
    const { body: made } = await as(all, "/v1/imports?type=row.import", csv);

    const { key } = await _issue(stores, ["jobs:write", "jobs:read"], { types, queues });
    const own = await producer.post(_echo(), _bearer(key));
    expect((await as(key, `/v1/jobs/${own.body.id}`)).status).toBe(200);
    const before = await stores.count();
    for (const answer of [
      await producer.post(row, _bearer(key)),
      await producer.bulk([_echo(), row], "?atomicity=partial", _bearer(key)),
      await producer.bulk([_echo(), row], "", _bearer(key)),
      await as(key, "/v1/imports?type=row.import", csv),
      await as(key, `/v1/jobs/${job.id}`),
      await as(key, `/v1/imports/${made.id}`),
    ]) {
      _expectProblem(answer, "forbidden-resource");
    }
    expect(await stores.count()).toEqual(before);
    const { items } = (await as(key, "/v1/jobs")).body;
    expect(new Set(items.map(({ type }: { type: string }) => type))).toEqual(new Set(["echo"]));
    expect((await as(key, "/v1/jobs?type=row.import")).body.items).toEqual([]);
  },
);

test("Idempotency-Keys and keys of jobs are separate per tenant", async () => {
  const ids = new Set<string>();
  for (const tenant of ["one", "two"]) {
    const { key } = await _issue(stores, ["jobs:write"], { tenant });
    const headers = { ..._bearer(key), "Idempotency-Key": "same" };
    const made = await producer.post(_echo("a", { key: "same" }), headers);
    expect(made.headers.get("idempotency-replayed")).toBeNull();
    expect(made.body.outcome).toBe("created");
    ids.add(made.body.id);
  }
  expect(ids.size).toBe(2);
});

const pages = [
  "/docs",
  "/docs/scalar.js",
  "/openapi.json",
  "/openapi.yaml",
  "/metrics",
  "/admin/queues",
];

test.each(pages)("%s accepts a key as the password of basic authentication", async (path) => {
  const { key } = await _issue(stores, ["metrics:read", "queues:admin", "jobs:read"]);
  const requested = await producer.request(path);
  _expectProblem(requested, "unauthenticated");
  expect(requested.headers.get("www-authenticate")).toStartWith("Basic ");
  expect((await producer.request(path, { headers: _basic(key) })).status).toBe(200);
  expect((await producer.request(path, { headers: _bearer(key) })).status).toBe(200);
  _expectProblem(await producer.request(path, { headers: _basic("wrong") }), "unauthenticated");
  // Browsers send Basic credentials automatically, also on behalf of a malicious page (CSRF).
  const headers = _basic(key);
  _expectProblem(await producer.request("/v1/jobs", { headers }), "unauthenticated");
  _expectProblem(await producer.request(path, { method: "POST", headers }), "unauthenticated");
});

test("the dashboard and the metrics require their scopes, the documentation any key", async () => {
  const { key } = await _issue(stores, ["jobs:read"]);
  for (const path of ["/metrics", "/admin/queues", "/admin/queues/api/queues"]) {
    _expectProblem(await as(key, path), "insufficient-scope");
  }
  expect((await as(key, "/docs")).status).toBe(200);
});

test("the dashboard shows the jobs of every tenant and refuses keys of other tenants", async () => {
  const { key } = await _issue(stores, ["queues:admin", "metrics:read"], { tenant: "acme" });
  _expectProblem(await as(key, "/admin/queues"), "insufficient-scope");
  expect((await as(key, "/metrics")).status).toBe(200);
});

test("METRICS_PORT serves only metrics and requires no key", async () => {
  const watched = await _startProducer(stores, { METRICS_PORT: "0" });
  const ask = (path: string) => fetch(new URL(path, watched.metricsUrl));
  expect(await (await ask("/metrics")).text()).toContain("toril_enqueue_waiting 0");
  for (const path of ["/v1/jobs", "/docs", "/livez"]) expect((await ask(path)).status).toBe(404);
  expect((await watched.request("/metrics")).status).toBe(401);
  await watched.close();
  await expect(ask("/metrics")).rejects.toThrow();
});

test("the last use of a key is written on shutdown and does not invalidate caches", async () => {
  const { id, key } = await _issue(stores, ["jobs:read"]);
  const read = async () =>
    (await stores.sql`select revision, last_used_at from api_keys where id = ${id}`)[0]!;
  const before = await read();
  const short = await _startProducer(stores);
  expect((await short.request("/v1/jobs", { headers: _bearer(key) })).status).toBe(200);
  await short.close();
  const after = await read();
  expect(after["last_used_at"]).toBeInstanceOf(Date);
  expect(after["revision"]).toBe(before["revision"]);
});
