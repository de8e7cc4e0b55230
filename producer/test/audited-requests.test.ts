import { afterAll, beforeAll, expect, test } from "bun:test";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { verifyAudit } from "@toril/contract/engine/audit/verify-audit";
import type { IssuedApiKey } from "@toril/contract/api/access/api-key";
import { shippedApi } from "../../contract/test/_job-types.ts";
import { isAudited } from "../src/audit/audit-middleware.ts";
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
let admin: IssuedApiKey;
let operator: IssuedApiKey;

beforeAll(async () => {
  stores = await _openStores();
  admin = await _issue(stores, ["keys:admin", "webhooks:admin", "types:admin", "jobs:write"], {
    tenant: "acme",
  });
  operator = await _issue(stores, ["queues:admin"]);
  producer = await _startProducer(stores, { TRUSTED_PROXIES: "127.0.0.1" });
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const newKey = { name: "shop", scopes: ["jobs:write", "jobs:read"] };

function _as(key: string, path: string, init: RequestInit = {}) {
  const headers = {
    ...(init.headers as Record<string, string>),
    "X-Request-Id": _requestId(path),
    "X-Forwarded-For": "192.0.2.7",
    ..._bearer(key),
  };
  return producer.request(path, { ...init, headers });
}

function _requestId(path: string) {
  return `r${path.replaceAll("/", ".")}`;
}

async function _newest() {
  expect(await verifyAudit(stores.sql)).toMatchObject({ status: "whole" });
  return readNewestAudit(stores.sql, 100);
}

async function _made() {
  return (await _as(admin.key, "/v1/keys", _json(newKey))).body.id as string;
}

/** For each operation, a request that succeeds and one that fails. */
const cases: Record<
  string,
  (id: string) => { done: [string, RequestInit]; refused: [string, RequestInit, string] }
> = {
  createKey: () => ({
    done: ["/v1/keys", _json(newKey)],
    refused: ["/v1/keys", _json({ name: "shop" }), "invalid-key"],
  }),
  changeKey: (id) => ({
    done: [`/v1/keys/${id}`, { ..._json({ scopes: ["jobs:read"] }), method: "PATCH" }],
    refused: [`/v1/keys/${id}`, { ..._json({ scopes: [] }), method: "PATCH" }, "invalid-key"],
  }),
  rotateKey: (id) => ({
    done: [`/v1/keys/${id}/rotate`, { method: "POST" }],
    refused: ["/v1/keys/0mibwkq0705f60718/rotate", { method: "POST" }, "key-not-found"],
  }),
  revokeKey: (id) => ({
    done: [`/v1/keys/${id}`, { method: "DELETE" }],
    refused: ["/v1/keys/0mibwkq0705f60718", { method: "DELETE" }, "key-not-found"],
  }),
  putJobType: () => ({
    done: ["/v1/job-types/mail.new", { ..._json({ data: {} }), method: "PUT" }],
    refused: ["/v1/job-types/mail.bad", { ..._json({}), method: "PUT" }, "invalid-job-type"],
  }),
  deleteJobType: () => ({
    done: ["/v1/job-types/mail.push", { method: "DELETE" }],
    refused: ["/v1/job-types/mail.missing", { method: "DELETE" }, "job-type-not-found"],
  }),
  rotatePushEndpoint: () => ofPushEndpoint("/rotate"),
  resetPushEndpoint: () => ofPushEndpoint("/reset"),
  putWebhook: () => ({
    done: ["/v1/webhooks/new", { ..._json(webhook), method: "PUT" }],
    refused: ["/v1/webhooks/bad", { ..._json({ url: "x" }), method: "PUT" }, "invalid-webhook"],
  }),
  deleteWebhook: () => ofWebhook("", { method: "DELETE" }),
  rotateWebhook: () => ofWebhook("/rotate"),
  enableWebhook: () => ofWebhook("/enable"),
  disableWebhook: () => ofWebhook("/disable"),
  testWebhook: () => ofWebhook("/test"),
  replayWebhookDelivery: () => ofWebhook(`/deliveries/${deliveryId}/replay`),
  replayWebhookDeliveries: () =>
    ofWebhook(
      "/replay",
      _json({ from: "2026-01-01T00:00:00.000Z", until: "2026-01-02T00:00:00.000Z" }),
    ),
  putSchedule: () => ({
    done: ["/v1/schedules/new", { ..._json(schedule), method: "PUT" }],
    refused: ["/v1/schedules/bad", { ..._json({}), method: "PUT" }, "invalid-schedule"],
  }),
  deleteSchedule: () => ofSchedule("", { method: "DELETE" }),
  pauseSchedule: () => ofSchedule("/pause"),
  resumeSchedule: () => ofSchedule("/resume"),
  runSchedule: () => ofSchedule("/run"),
  createOperation: () => ({
    done: ["/v1/operations", _json(cancelling)],
    refused: ["/v1/operations", _json({}), "invalid-operation"],
  }),
  stopOperation: () => ({
    done: [`/v1/operations/${operationId}/stop`, { method: "POST" }],
    refused: [`/v1/operations/${deliveryId}/stop`, { method: "POST" }, "operation-not-found"],
  }),
  changeQueue: () => ofQueue("", { ..._json({ concurrency: 5 }), method: "PATCH" }),
  pauseQueue: () => ofQueue("/pause"),
  resumeQueue: () => ofQueue("/resume"),
  drainQueue: () => ofQueue("/drain"),
  cleanQueue: () => ofQueue("/clean", _json({ state: "failed", olderThanMs: 0 })),
};

const webhook = { url: "https://example.org/", events: ["job.dead"] };
const deliveryId = Bun.randomUUIDv7();
const operationId = Bun.randomUUIDv7();
const schedule = { everyMs: 3_600_000, job: _echo() };
const cancelling = { action: "cancel", filter: { label: "old" } };

function ofPushEndpoint(verb: string) {
  const init = { method: "POST" };
  const done: [string, RequestInit] = [`/v1/job-types/mail.push/endpoint${verb}`, init];
  const refused: [string, RequestInit, string] = [
    `/v1/job-types/mail.missing/endpoint${verb}`,
    init,
    "push-endpoint-not-found",
  ];
  return { done, refused };
}

/** Registers a type with a push endpoint. */
async function _makePushType() {
  const registration = {
    data: {},
    worker: "push",
    queue: "mail.push",
    push: { url: webhook.url, timeoutMs: 30_000, concurrency: 10 },
  };
  await stores.sql`
    insert into job_types (tenant, type, queue, definition, revision)
    values ('acme', 'mail.push', 'mail.push', ${stores.sql.json(registration)}, 1000) on conflict do nothing`;
  await stores.sql`
    insert into push_endpoints (tenant, type, id, secret) values ('acme', 'mail.push', ${Bun.randomUUIDv7()}, '')
    on conflict do nothing`;
}

function ofWebhook(verb: string, init: RequestInit = { method: "POST" }) {
  const refused: [string, RequestInit, string] = [
    `/v1/webhooks/missing${verb}`,
    init,
    "webhook-not-found",
  ];
  return { done: [`/v1/webhooks/made${verb}`, init] as [string, RequestInit], refused };
}

/** Creates the webhook `made` with one delivery. */
async function _makeWebhook() {
  const id = Bun.randomUUIDv7();
  await stores.sql`truncate webhooks, webhook_deliveries`;
  await stores.sql`
    insert into webhooks (tenant, name, id, url, events, secret) values ('acme', 'made', ${id}, ${webhook.url}, '{job.dead}', '')`;
  await stores.sql`
    insert into webhook_deliveries (id, webhook_id, event, payload) values (${deliveryId}, ${id}, 'job.dead', '{}')`;
}

function ofSchedule(verb: string, init: RequestInit = { method: "POST" }) {
  const refused: [string, RequestInit, string] = [
    `/v1/schedules/missing${verb}`,
    init,
    "schedule-not-found",
  ];
  return { done: [`/v1/schedules/made${verb}`, init] as [string, RequestInit], refused };
}

/** Creates the schedule `made` and an operation. */
async function _makeWork() {
  await _as(admin.key, "/v1/schedules/made", { ..._json(schedule), method: "PUT" });
  await stores.sql`
    insert into operations (id, tenant, action, filter, restrictions)
    values (${operationId}, 'acme', 'cancel', '{"label":"old"}', '{"queues":null,"types":null}') on conflict do nothing`;
}

function ofQueue(verb: string, init: RequestInit = { method: "POST" }) {
  const refused: [string, RequestInit, string] = [
    `/v1/queues/missing${verb}`,
    init,
    "queue-not-found",
  ];
  return { done: [`/v1/queues/default${verb}`, init] as [string, RequestInit], refused };
}

const audited = Object.values(shippedApi)
  .filter(isAudited)
  .map(({ operationId }) => operationId);

test.each(audited)("%s is audited, whether it succeeds or fails", async (action) => {
  expect(Object.keys(cases)).toContain(action);
  const id = await _made();
  await _makeWebhook();
  await _makePushType();
  if (/Schedule|Operation/.test(action)) await _makeWork();
  const { done, refused } = cases[action]!(id);
  const before = (await _newest()).length;

  const [path, init] = done;
  const who = action.endsWith("Queue") ? operator : admin;
  const answer = await _as(who.key, path, init);
  expect(answer.status).toBeLessThan(300);
  const [badPath, badInit, kind] = refused;
  _expectProblem(await _as(who.key, badPath, badInit), kind as never);

  const [failure, success, ...older] = await _newest();
  expect(older).toHaveLength(before);
  const entry = { actor: `key:${who.id}`, tenant: who.tenant, action, address: "192.0.2.7" };
  expect(success).toMatchObject({
    ...entry,
    target: action.endsWith("Key") ? `/v1/keys/${answer.body.id}` : path,
    requestId: _requestId(path),
    outcome: "done",
  });
  expect(failure).toMatchObject({
    ...entry,
    target: badPath,
    requestId: _requestId(badPath),
    outcome: kind,
  });
});

test("entries of schedules and operations are written in the transaction of the change", async () => {
  await _makeWork();
  for (const [verb, init] of [
    ["", { ..._json(schedule), method: "PUT" }],
    ["/pause", { method: "POST" }],
    ["/resume", { method: "POST" }],
    ["/run", { method: "POST" }],
  ] as const) {
    expect((await _as(admin.key, `/v1/schedules/made${verb}`, init)).status).toBeLessThan(300);
    const [row] = await stores.sql`
      select audit_log.xmin = schedules.xmin as same from audit_log, schedules
      where name = 'made' and schedules.tenant = 'acme' order by seq desc limit 1`;
    expect([verb, row!.same]).toEqual([verb, true]);
  }
  const { body } = await _as(admin.key, "/v1/operations", _json(cancelling));
  for (const stop of [false, true]) {
    if (stop) await _as(admin.key, `/v1/operations/${body.id}/stop`, { method: "POST" });
    const [row] = await stores.sql`
      select audit_log.xmin = operations.xmin as same from audit_log, operations
      where operations.id = ${body.id} order by seq desc limit 1`;
    expect([stop, row!.same]).toEqual([stop, true]);
  }
});

test("reads, previews, changes of jobs and unauthenticated requests are not audited", async () => {
  const id = await _made();
  const poor = await _issue(stores, ["jobs:write", "jobs:read"]);
  const before = await _newest();

  for (const [key, path, init] of [
    [admin.key, "/v1/keys", {}],
    [admin.key, `/v1/keys/${id}`, {}],
    [admin.key, "/v1/operations", _json({ ...cancelling, dryRun: true })],
    [poor.key, "/v1/jobs", _json(_echo())],
    [poor.key, "/v1/keys", _json(newKey)],
    [poor.key, `/v1/keys/${id}`, { method: "DELETE" }],
    ["nonsense", "/v1/keys", _json(newKey)],
    [admin.key, "/v1/nothing", { method: "DELETE" }],
  ] as const) {
    await _as(key, path, init);
  }

  expect(await _newest()).toEqual(before);
});

test("a replayed response is audited as a replay", async () => {
  const path = "/v1/queues/default/resume";
  const init = { method: "POST", headers: { "Idempotency-Key": "once" } };
  for (const _ of [1, 2]) expect((await _as(operator.key, path, init)).status).toBe(200);
  const outcomes = (await readNewestAudit(stores.sql, 2)).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(["replayed", "done"]);
});

test('without authentication the actor is "anyone"', async () => {
  const open = await _openStores();
  const unlocked = await _startProducer(open);
  await unlocked.request("/v1/keys", _json({ name: "admin", scopes: ["keys:admin"] }));
  await unlocked.close();

  const [entry] = await readNewestAudit(open.sql, 1);
  await open.close();
  expect(entry).toMatchObject({ seq: 1, actor: "anyone", tenant: "default", address: "127.0.0.1" });
});

test("audit entries contain no secret, and the hash of every entry is logged", async () => {
  const { body } = await _as(admin.key, "/v1/keys", _json(newKey));
  const [entry] = await readNewestAudit(stores.sql, 1);

  const secret = (body.key as string).split("_").at(-1)!;
  expect(JSON.stringify([entry, producer.lines])).not.toContain(secret);
  const line = producer.lines.findLast(({ msg }) => msg === "audited");
  expect(line).toMatchObject({
    seq: entry!.seq,
    hash: entry!.hash,
    requestId: _requestId("/v1/keys"),
  });
});

test("a change that cannot be audited is rolled back", async () => {
  const id = await _made();
  await stores.sql`alter table audit_head rename to audit_head_away`;
  try {
    const answer = await _as(admin.key, `/v1/keys/${id}`, { method: "DELETE" });
    _expectProblem(answer, "internal-error");
  } finally {
    await stores.sql`alter table audit_head_away rename to audit_head`;
  }

  expect((await _as(admin.key, `/v1/keys/${id}`)).body.revokedAt).toBeNull();
  const line = producer.lines.findLast(({ msg }) => msg === "not audited");
  expect(line).toMatchObject({ action: "revokeKey", target: `/v1/keys/${id}` });
});
