import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createKeyText } from "@toril/contract/engine/api-keys/key-text";
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
import { _openProxy } from "./_proxy.ts";

let stores: _Stores;
let opened: _Producer[];

beforeAll(async () => {
  stores = await _openStores();
});
afterAll(() => stores.close());
beforeEach(async () => {
  await stores.sql`delete from api_keys`;
  opened = [];
});
afterEach(() => Promise.all(opened.map((producer) => producer.close())));

async function start(...settings: Parameters<typeof _startProducer>[1][]) {
  opened = await Promise.all(settings.map((own) => _startProducer(stores, own)));
  return opened as [_Producer, ..._Producer[]];
}

test("the first key turns on authentication on every producer", async () => {
  const producers = await start({}, {});
  for (const producer of producers)
    await _until(async () => (await producer.post(_echo())).status === 201);
  const first = _json({ name: "first", scopes: ["jobs:write"] });
  const { body } = await producers[0].request("/v1/keys", first);
  for (const producer of producers) {
    await _until(async () => (await producer.post(_echo())).status === 401);
    expect((await producer.post(_echo(), _bearer(body.key))).status).toBe(201);
  }
});

test("a new key is valid on every producer at once and belongs to its tenant", async () => {
  const producers = await start({}, {});
  const { key } = await _issue(stores, ["jobs:write", "jobs:read"], { tenant: "acme" });
  for (const producer of producers) {
    const { body } = await producer.post(_echo(), _bearer(key));
    const [row] = await stores.sql`select tenant from jobs where id = ${body.id}`;
    expect(row!["tenant"]).toBe("acme");
  }
});

test("without authentication an unknown key is ignored", async () => {
  const [producer] = await start({});
  for (const key of [createKeyText().text, "nonsense"]) {
    for (let times = 0; times < 3; times += 1) {
      expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
    }
  }
});

test("revoking the last key does not turn authentication off", async () => {
  const { id, key } = await _issue(stores, ["keys:admin", "jobs:write"]);
  const producers = await start({}, {});
  for (const producer of producers) {
    expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  }
  await producers[0].request(`/v1/keys/${id}`, { method: "DELETE", headers: _bearer(key) });
  for (const producer of producers) {
    await _until(async () => (await producer.post(_echo(), _bearer(key))).status === 401);
    _expectProblem(await producer.post(_echo()), "unauthenticated");
  }
});

describe("while Postgres is unavailable", () => {
  test.each(["refuse", "freeze"] as const)(
    "(%s) a cached key stays valid, and an unknown key gets 503",
    async (fault) => {
      const { key } = await _issue(stores, ["metrics:read"]);
      const proxy = await _openProxy(stores.settings.DATABASE_URL);
      const [producer] = await start({ DATABASE_URL: proxy.url, REQUEST_TIMEOUT_MS: "3000" });
      const metrics = (headers: Record<string, string>) =>
        producer.request("/metrics", { headers });
      expect((await metrics(_bearer(key))).status).toBe(200);
      proxy[fault]();
      const unknown = createKeyText().text;
      await _until(async () => (await metrics(_bearer(unknown))).status === 503);
      expect((await metrics(_bearer(key))).status).toBe(200);
      _expectProblem(await metrics({}), "unauthenticated");
      const { key: late } = await _issue(stores, ["metrics:read"]);
      _expectProblem(await metrics(_bearer(late)), "at-capacity");
      proxy.pass();
      await _until(async () => (await metrics(_bearer(late))).status === 200);
      _expectProblem(await metrics(_bearer(unknown)), "unauthenticated");
      proxy.close();
    },
  );

  test("a starting producer refuses requests until it has loaded the keys", async () => {
    const proxy = await _openProxy(stores.settings.DATABASE_URL);
    proxy.refuse();
    const [producer] = await start({ DATABASE_URL: proxy.url });
    _expectProblem(await producer.request("/metrics"), "at-capacity");
    expect((await producer.request("/livez")).status).toBe(200);
    proxy.pass();
    await _until(async () => (await producer.request("/metrics")).status === 200);
    proxy.close();
  });
});

describe("without any key", () => {
  const warning = expect.objectContaining({ level: 40 });

  test("a producer that listens on a public address requires a key", async () => {
    const [producer] = await start({ HOST: "0.0.0.0" });
    for (const path of ["/v1/jobs", "/docs", "/metrics", "/admin/queues"]) {
      _expectProblem(await producer.request(path), "unauthenticated");
    }
    _expectProblem(await producer.post(_echo(), _bearer(createKeyText().text)), "unauthenticated");
    for (const path of ["/livez", "/readyz"]) {
      expect((await producer.request(path)).status).toBe(200);
    }
    expect(producer.lines).toContainEqual(warning);
    const { key } = await _issue(stores, ["jobs:write"]);
    expect((await producer.post(_echo(), _bearer(key))).status).toBe(201);
  });

  test("ALLOW_OPEN=true serves requests without a key and logs a warning", async () => {
    const [producer] = await start({ HOST: "0.0.0.0", ALLOW_OPEN: "true" });
    expect((await producer.post(_echo())).status).toBe(201);
    expect(producer.lines).toContainEqual(warning);
  });
});

describe("failed logins", () => {
  test("an address with too many failed logins is refused, even with a valid key", async () => {
    const { key } = await _issue(stores, ["jobs:write"]);
    const [producer] = await start({ WRONG_KEYS_PER_MINUTE: "3", TRUSTED_PROXIES: "127.0.0.0/8" });
    const from = (address: string, sent: string) =>
      producer.post(_echo(), { ..._bearer(sent), "X-Forwarded-For": address });
    for (let times = 0; times < 3; times += 1) {
      _expectProblem(await from("192.0.2.1", createKeyText().text), "unauthenticated");
    }
    for (const sent of [key, createKeyText().text, "nonsense"]) {
      const answer = await from("192.0.2.1", sent);
      _expectProblem(answer, "too-many-failed-logins");
      expect(Number(answer.headers.get("retry-after"))).toBeWithin(1, 61);
    }
    expect((await from("192.0.2.2", key)).status).toBe(201);
    expect((await producer.request("/livez", { headers: _bearer(key) })).status).toBe(200);
  });

  test("expired, revoked and rotated keys are not counted", async () => {
    const expired = await _issue(stores, ["jobs:write"], { expiresAt: "2020-01-01T00:00:00.000Z" });
    const old = await _issue(stores, ["jobs:write", "keys:admin"]);
    const [producer] = await start({ WRONG_KEYS_PER_MINUTE: "3" });
    const rotated = await producer.request(`/v1/keys/${old.id}/rotate`, {
      method: "POST",
      headers: _bearer(old.key),
    });
    for (let times = 0; times < 5; times += 1) {
      for (const { key } of [expired, old]) {
        _expectProblem(await producer.post(_echo(), _bearer(key)), "unauthenticated");
      }
    }
    expect((await producer.post(_echo(), _bearer(rotated.body.key))).status).toBe(201);
  });

  test("X-Forwarded-For is ignored unless a proxy is trusted", async () => {
    await _issue(stores, ["jobs:write"]);
    const [producer] = await start({ WRONG_KEYS_PER_MINUTE: "2" });
    const from = (address: string) =>
      producer.post(_echo(), { ..._bearer(createKeyText().text), "X-Forwarded-For": address });
    await from("192.0.2.1");
    await from("192.0.2.2");
    _expectProblem(await from("192.0.2.3"), "too-many-failed-logins");
  });
});
