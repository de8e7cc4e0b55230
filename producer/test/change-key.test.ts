import { afterAll, beforeAll, expect, test } from "bun:test";
import type { IssuedApiKey } from "@toril/contract/api/access/api-key";
import type { Scope } from "@toril/contract/api/access/scope";
import { _bearer, _issue } from "./_keys.ts";
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
let other: _Producer;
let admin: IssuedApiKey;

beforeAll(async () => {
  stores = await _openStores();
  admin = await _issue(stores, ["keys:admin"], { name: "admin" });
  [producer, other] = await Promise.all([_startProducer(stores), _startProducer(stores)]);
});
afterAll(async () => {
  await Promise.all([producer.close(), other.close()]);
  await stores.close();
});

function change(id: string, patch: unknown, headers = {}, by = admin.key) {
  const init = { ..._json(patch, { ..._bearer(by), ...headers }), method: "PATCH" };
  return producer.request(`/v1/keys/${id}`, init);
}

test("a change of scopes and restrictions takes effect on every producer", async () => {
  const { id, key } = await _issue(stores, ["jobs:write"]);
  expect((await other.post(_echo(), _bearer(key))).status).toBe(201);

  const changed = await change(id, { scopes: ["jobs:read"], name: "reader" });
  expect(changed.body).toMatchObject({ id, name: "reader", scopes: ["jobs:read"], types: null });
  _expectProblem(await producer.post(_echo(), _bearer(key)), "insufficient-scope");
  let answer = await other.post(_echo(), _bearer(key));
  while (answer.status === 201) answer = await other.post(_echo(), _bearer(key));
  _expectProblem(answer, "insufficient-scope");

  await change(id, { scopes: ["jobs:enqueue"], types: ["row.import"] });
  _expectProblem(await producer.post(_echo(), _bearer(key)), "forbidden-resource");
  await change(id, { types: null });
  expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  await change(id, { expiresAt: "2020-01-01T00:00:00.000Z" });
  _expectProblem(await producer.post(_echo(), _bearer(key)), "unauthenticated");
  _expectProblem(await change(id, { expiresAt: null }), "key-ended");
});

test("quotas are merged; null removes a quota, or all of them", async () => {
  const { id, key } = await _issue(stores, ["jobs:write"], { quotas: { rate: 10, burst: 20 } });
  const patch = async (quotas: unknown) => (await change(id, { quotas })).body.quotas;
  expect(await patch({ maxWaiting: 1 })).toEqual({ rate: 10, burst: 20, maxWaiting: 1 });
  expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  _expectProblem(await producer.post(_echo(), _bearer(key)), "quota-exceeded");
  const { errors } = _expectProblem(await change(id, { quotas: { rate: null } }), "invalid-key");
  expect(errors).toMatchObject([{ pointer: "/quotas" }]);
  expect(await patch({ rate: null, burst: null })).toEqual({ maxWaiting: 1 });
  expect(await patch({ maxWaiting: null })).toBeNull();
  expect((await producer.post(_echo(), _bearer(key))).headers.has("ratelimit")).toBe(false);
  await patch({ bytes: 5000 });
  expect(await patch(null)).toBeNull();
});

test.each([
  [{}, ""],
  [{ scopes: [] }, "/scopes"],
  [{ scopes: null }, "/scopes"],
  [{ name: null }, "/name"],
  [{ types: ["bull"] }, "/types/0"],
  [{ quotas: { rate: 0 } }, "/quotas/rate"],
  [{ name: "a", tenant: "other" }, "/tenant"],
  [{ name: "a", id: "0mibwkq0705f60718" }, "/id"],
  [{ name: "a", revokedAt: null }, "/revokedAt"],
  [{ scopes: ["keys:admin"] }, "/scopes"],
])("%j is refused with an error at %j", async (patch, pointer) => {
  const { id } = await _issue(stores, ["jobs:read"], { types: ["echo"] });
  const { errors } = _expectProblem(await change(id, patch), "invalid-key");
  expect(errors?.map((error) => error.pointer)).toEqual([pointer]);
});

test("If-Match refuses a change of an older version; a use is not a version", async () => {
  const { id, key } = await _issue(stores, ["jobs:write"]);
  const path = `/v1/keys/${id}`;
  const read = (headers = {}) =>
    producer.request(path, { headers: { ..._bearer(admin.key), ...headers } });
  const etag = (await read()).headers.get("etag")!;
  expect((await read({ "If-None-Match": etag })).status).toBe(304);
  await producer.post(_echo(), _bearer(key));
  const first = await change(id, { name: "first" }, { "If-Match": etag });
  expect(first.status).toBe(200);
  _expectProblem(await change(id, { name: "late" }, { "If-Match": etag }), "precondition-failed");
  expect((await read()).body.name).toBe("first");
  const next = await change(id, { name: "second" }, { "If-Match": first.headers.get("etag")! });
  expect(next.body.name).toBe("second");
});

test("the last valid key with keys:admin keeps the scope", async () => {
  const issue = (scopes: Scope[], expiresAt: string | null = null) =>
    _issue(stores, scopes, { tenant: "acme", expiresAt });
  const first = await issue(["keys:admin", "jobs:read"]);
  await issue(["keys:admin"], "2020-01-01T00:00:00.000Z");
  for (const patch of [{ scopes: ["jobs:read"] }, { expiresAt: "2020-01-01T00:00:00.000Z" }]) {
    _expectProblem(await change(first.id, patch, {}, first.key), "last-admin-key");
  }
  expect((await change(first.id, { scopes: ["keys:admin"] }, {}, first.key)).status).toBe(200);
  const second = await issue(["keys:admin"]);
  const both = [
    change(first.id, { scopes: ["jobs:read"] }, {}, first.key),
    change(second.id, { scopes: ["jobs:read"] }, {}, second.key),
  ];
  const statuses = (await Promise.all(both)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([200, 409]));
});
