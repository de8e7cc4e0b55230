import { afterAll, beforeAll, expect, test } from "bun:test";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { openSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { _bearer, _issue } from "./_keys.ts";
import {
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
let admin: string;
const secretKey = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
const keys = createKeyRing([
  { id: "2026a", bytes: Buffer.from(secretKey.split(":")[1]!, "base64") },
]);

beforeAll(async () => {
  stores = await _openStores();
  admin = (await _issue(stores, ["types:admin"])).key;
  producer = await _startProducer(stores, { SECRET_KEYS: secretKey });
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const push = { url: "https://example.org/jobs" };
const registration = { data: { type: "object" }, worker: "push", push };

function _send(method: string, path: string, body?: unknown, more: Record<string, string> = {}) {
  const init = body === undefined ? { headers: more } : _json(body, more);
  const headers = { ...(init.headers as object), ..._bearer(admin) };
  return producer.request(`/v1/job-types/${path}`, { ...init, method, headers });
}

test("the PUT that creates an endpoint returns its secret, once", async () => {
  const created = await _send("PUT", "mail.created", registration);
  expect(created.status).toBe(201);
  expect(created.body).toMatchObject({
    worker: "push",
    push: { ...push, timeoutMs: 30_000, concurrency: 10 },
  });
  expect(created.body.signingSecret).toMatch(/^whsec_/);
  const changed = await _send("PUT", "mail.created", { ...registration, attempts: 7 });
  expect([changed.status, changed.body.signingSecret]).toEqual([200, undefined]);
  const [row] = await stores.sql`select id, secret from push_endpoints where type = 'mail.created'`;
  expect(row!["secret"]).toStartWith("sealed:");
  expect(openSigningSecret(row!["secret"], row!["id"], keys)).toBe(created.body.signingSecret);
  await _send("DELETE", "mail.created");
  expect(await stores.sql`select from push_endpoints where type = 'mail.created'`).toHaveLength(0);
});

test("the worker push requires an endpoint, and other workers have none", async () => {
  for (const body of [
    { data: {}, worker: "push" },
    { data: {}, worker: "pull", push },
  ]) {
    const problem = _expectProblem(await _send("PUT", "mail.bad", body), "invalid-job-type");
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/push"]);
  }
  _expectProblem(
    await _send("PUT", "mail.bad", { ...registration, push: { url: "file:///etc" } }),
    "invalid-job-type",
  );
});

test("a queue has one push type", async () => {
  await _send("PUT", "mail.first", { ...registration, queue: "mail" });
  _expectProblem(
    await _send("PUT", "mail.second", { ...registration, queue: "mail" }),
    "job-type-conflict",
  );
});

test("a new URL ends the pause of the previous one and enables the endpoint", async () => {
  const type = "mail.moved";
  const _breakEndpoint = () => stores.sql`
    update push_endpoints set failures = 12, last_error = 'The endpoint answered 500.', is_enabled = false,
      disabled_at = now(), paused_until = now() + interval '1 h', pause_reason = 'circuit-open' where type = ${type}`;
  const { body } = await _send("PUT", type, registration);
  await _breakEndpoint();
  await _send("PUT", type, { ...registration, attempts: 7 });
  const broken = { enabled: false, circuit: "open", consecutiveFailures: 12 };
  expect((await _send("GET", `${type}/endpoint`)).body).toMatchObject(broken);
  const moved = { ...registration, push: { url: "https://example.org/moved" } };
  expect((await _send("PUT", type, moved)).body.signingSecret).toBeUndefined();
  expect((await _send("GET", `${type}/endpoint`)).body).toMatchObject({
    url: "https://example.org/moved",
    enabled: true,
    circuit: "closed",
    consecutiveFailures: 0,
    lastError: null,
    pausedUntil: null,
  });
  const [row] = await stores.sql`select id, secret from push_endpoints where type = ${type}`;
  expect(openSigningSecret(row!["secret"], row!["id"], keys)).toBe(body.signingSecret);
});

test("the endpoint shows its circuit and is reset; its secret is rotated once", async () => {
  const { body } = await _send("PUT", "mail.shown", registration);
  await stores.sql`
    update push_endpoints set failures = 12, last_error = 'The endpoint answered 500.', paused_until = now() + interval '1 h',
      pause_reason = 'circuit-open' where type = 'mail.shown'`;
  const shown = await _send("GET", "mail.shown/endpoint");
  expect(shown.body).toMatchObject({
    url: push.url,
    enabled: true,
    circuit: "open",
    consecutiveFailures: 12,
  });
  await stores.sql`update push_endpoints set paused_until = now() where type = 'mail.shown'`;
  expect((await _send("GET", "mail.shown/endpoint")).body).toMatchObject({
    circuit: "half-open",
    pausedUntil: null,
  });
  expect((await _send("POST", "mail.shown/endpoint/reset")).body).toMatchObject({
    circuit: "closed",
    consecutiveFailures: 0,
    lastError: null,
  });

  const key = { "Idempotency-Key": "rotate-1" };
  const rotated = await _send("POST", "mail.shown/endpoint/rotate", { graceMs: 60_000 }, key);
  expect(rotated.status, rotated.text).toBe(200);
  expect(rotated.body.signingSecret).not.toBe(body.signingSecret);
  _expectProblem(
    await _send("POST", "mail.shown/endpoint/rotate", { graceMs: 60_000 }, key),
    "response-not-replayable",
  );
  _expectProblem(
    await _send("POST", "mail.shown/endpoint/rotate", { graceMs: -1 }),
    "invalid-request",
  );
  _expectProblem(await _send("GET", "echo/endpoint"), "push-endpoint-not-found");
});
