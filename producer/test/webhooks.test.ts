import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { createClient, type Sent, type WebhookDefinition } from "@toril/client";
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
  admin = (await _issue(stores, ["webhooks:admin"])).key;
  producer = await _startProducer(stores, { SECRET_KEYS: secretKey, MAX_WEBHOOKS: "3" });
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});
afterEach(async () => {
  await stores.sql`truncate webhooks, webhook_deliveries, idempotency_keys`;
});

const definition: Sent<WebhookDefinition> = {
  url: "https://example.org/hook",
  events: ["job.completed", "import.done"],
};

function _send(
  method: string,
  path: string,
  body?: unknown,
  { key = admin, ...headers }: Record<string, string> = {},
) {
  const init = body === undefined ? { headers } : _json(body, headers);
  return producer.request(path, {
    ...init,
    method,
    headers: { ...(init.headers as object), ..._bearer(key) },
  });
}
const _put = (name: string, body: unknown = definition, headers = {}) =>
  _send("PUT", `/v1/webhooks/${name}`, body, headers);

/** Records deliveries of a webhook: one per given age in seconds, all delivered. */
async function _deliver(name: string, agesSeconds: readonly number[]) {
  return stores.sql<{ id: string }[]>`
    insert into webhook_deliveries (id, webhook_id, event, payload, attempts, created_at, delivered_at, response_status, response_body, latency_ms)
    select gen_random_uuid(), webhooks.id, 'job.completed', '{"type":"job.completed"}', 2, now() - age * interval '1 s', now(), 200, 'ok', 12
    from webhooks, unnest(${[...agesSeconds]}::int[]) as age where name = ${name} returning id`;
}

test("PUT creates a webhook, shows its secret once and stores it sealed; a replacement keeps it", async () => {
  const created = await _put("orders");
  expect(created.status).toBe(201);
  expect(created.headers.get("location")).toBe("/v1/webhooks/orders");
  expect(created.body).toMatchObject({
    name: "orders",
    ...definition,
    types: null,
    enabled: true,
    version: 1,
  });
  expect(created.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const [row] = await stores.sql`select id, secret from webhooks`;
  expect(row!["secret"]).toStartWith("sealed:");
  expect(openSigningSecret(row!["secret"], row!["id"], keys)).toBe(created.body.secret);

  const etag = created.headers.get("etag")!;
  const replaced = await _put("orders", { ...definition, types: ["echo"] }, { "If-Match": etag });
  expect(replaced.status).toBe(200);
  expect(replaced.body).toMatchObject({ types: ["echo"], version: 2 });
  expect(replaced.body.secret).toBeUndefined();
  _expectProblem(await _put("orders", definition, { "If-Match": etag }), "precondition-failed");
  const client = createClient({ baseUrl: producer.url.href, apiKey: admin });
  const outdated = client.putWebhook("orders", definition, { ifVersion: 1 });
  await expect(outdated).rejects.toThrow("Precondition failed");
  const [after] = await stores.sql`select secret from webhooks`;
  expect(after!["secret"]).toBe(row!["secret"]);

  const shown = await _send("GET", "/v1/webhooks/orders");
  expect(shown.body).toEqual(replaced.body);
  const current = shown.headers.get("etag")!;
  expect(
    (await _send("GET", "/v1/webhooks/orders", undefined, { "If-None-Match": current })).status,
  ).toBe(304);
  expect((await _send("DELETE", "/v1/webhooks/orders")).body).toEqual(replaced.body);
  _expectProblem(await _send("GET", "/v1/webhooks/orders"), "webhook-not-found");
});

test.each([
  [{ ...definition, url: "ftp://example.org" }, "/url"],
  [{ ...definition, url: "/hook" }, "/url"],
  [{ ...definition, url: "https://user:pw@example.org/" }, "/url"],
  [{ ...definition, events: [] }, "/events"],
  [{ ...definition, events: ["job.started"] }, "/events/0"],
  [{ ...definition, types: ["unknown"] }, "/types/0"],
  [{ ...definition, queues: ["unknown"] }, "/queues/0"],
  [{ ...definition, secret: "mine" }, "/secret"],
  [{ ...definition, events: ["callback", "job.dead"] }, "/events"],
  [{ url: "https://example.org/?q=1", events: ["callback"] }, "/url"],
])("refuses %j", async (body, pointer) => {
  const problem = _expectProblem(await _put("bad", body), "invalid-webhook");
  expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
});

test("a tenant sees its own webhooks, in order of name, and may have MAX_WEBHOOKS", async () => {
  for (const name of ["c", "a", "b"]) await _put(name);
  _expectProblem(await _put("d"), "too-many-webhooks");
  expect((await _put("a")).status).toBe(200);
  const first = await _send("GET", "/v1/webhooks?limit=2");
  expect(first.body.items.map((item: { name: string }) => item.name)).toEqual(["a", "b"]);
  const second = await _send("GET", `/v1/webhooks?limit=2&cursor=${first.body.next}`);
  expect(second.body).toMatchObject({ items: [{ name: "c" }], next: null });
  const { key } = await _issue(stores, ["webhooks:admin"], { tenant: "acme" });
  expect((await _send("GET", "/v1/webhooks", undefined, { key })).body.items).toEqual([]);
  _expectProblem(await _send("GET", "/v1/webhooks/a", undefined, { key }), "webhook-not-found");
});

test("a restricted key only manages webhooks within its restrictions", async () => {
  const { key } = await _issue(stores, ["webhooks:admin"], { types: ["echo"] });
  _expectProblem(await _put("mine", definition, { key }), "forbidden-resource");
  _expectProblem(
    await _put("mine", { ...definition, types: ["row.import"] }, { key }),
    "forbidden-resource",
  );
  expect((await _put("mine", { ...definition, types: ["echo"] }, { key })).status).toBe(201);
  await _put("all");
  const listed = await _send("GET", "/v1/webhooks", undefined, { key });
  expect(listed.body.items.map((item: { name: string }) => item.name)).toEqual(["mine"]);
  for (const [method, path] of [
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/rotate"],
    ["POST", "/test"],
    ["POST", "/disable"],
    ["GET", "/deliveries"],
  ] as const) {
    _expectProblem(
      await _send(method, `/v1/webhooks/all${path}`, undefined, { key }),
      "forbidden-resource",
    );
  }
  const { key: reader } = await _issue(stores, ["jobs:read"]);
  _expectProblem(
    await _send("GET", "/v1/webhooks", undefined, { key: reader }),
    "insufficient-scope",
  );
});

test("a rotation issues a new secret once and keeps the previous one for graceMs", async () => {
  const { body: created } = await _put("orders");
  const headers = { "Idempotency-Key": "rotate-1" };
  const rotated = await _send("POST", "/v1/webhooks/orders/rotate", { graceMs: 60_000 }, headers);
  expect(rotated.status, rotated.text).toBe(200);
  expect(rotated.body.secret).not.toBe(created.secret);
  expect(Date.parse(rotated.body.previousSecretUntil)).toBeGreaterThan(Date.now());
  const repeated = await _send("POST", "/v1/webhooks/orders/rotate", { graceMs: 60_000 }, headers);
  _expectProblem(repeated, "response-not-replayable");
  const [row] = await stores.sql`select id, secret, previous_secret from webhooks`;
  expect(openSigningSecret(row!["secret"], row!["id"], keys)).toBe(rotated.body.secret);
  expect(openSigningSecret(row!["previous_secret"], row!["id"], keys)).toBe(created.secret);
  _expectProblem(
    await _send("POST", "/v1/webhooks/orders/rotate", { graceMs: -1 }),
    "invalid-webhook",
  );
});

test("a disabled webhook gets no test event until it is enabled again", async () => {
  await _put("orders");
  expect((await _send("POST", "/v1/webhooks/orders/disable")).body).toMatchObject({
    enabled: false,
    disabledReason: "requested",
  });
  _expectProblem(await _send("POST", "/v1/webhooks/orders/test"), "webhook-disabled");
  expect((await _put("orders")).body).toMatchObject({ enabled: false });
  expect((await _send("POST", "/v1/webhooks/orders/enable")).body).toMatchObject({
    enabled: true,
    disabledReason: null,
  });
  const sent = await _send("POST", "/v1/webhooks/orders/test");
  expect(sent.status).toBe(202);
  expect(sent.body).toMatchObject({
    event: "webhook.test",
    status: "pending",
    payload: { type: "webhook.test", data: { id: sent.body.id } },
  });
  expect((await _send("GET", "/v1/webhooks/orders/deliveries")).body.items).toEqual([sent.body]);
});

test("deliveries are listed newest first, by status, and replayed one by one or by time", async () => {
  await _put("orders");
  const ids = (await _deliver("orders", [40, 30, 20, 10])).map(({ id }) => id);
  const callback = "https://example.org/own?token=abc";
  await stores.sql`update webhook_deliveries set delivered_at = null, url = ${callback} where id = ${ids[1]!}`;
  const at = "/v1/webhooks/orders";
  const first = await _send("GET", `${at}/deliveries?limit=3`);
  expect(first.body.items.map((item: { id: string }) => item.id)).toEqual([ids[3], ids[2], ids[1]]);
  expect(first.body.items[0]).toMatchObject({
    status: "delivered",
    attempts: 2,
    latencyMs: 12,
    response: { status: 200, body: "ok" },
  });
  const second = await _send("GET", `${at}/deliveries?limit=3&cursor=${first.body.next}`);
  expect(second.body).toMatchObject({ items: [{ id: ids[0] }], next: null });
  const failed = await _send("GET", `${at}/deliveries?status=failed`);
  const shown = { id: ids[1], url: "https://example.org/own?[secret]" };
  expect(failed.body).toMatchObject({ items: [shown], next: null });
  _expectProblem(await _send("GET", `${at}/deliveries?cursor=nonsense`), "invalid-parameter");

  const one = await _send("POST", `${at}/deliveries/${ids[3]}/replay`);
  expect([one.status, one.body.id, one.body.status]).toEqual([202, ids[3], "pending"]);
  _expectProblem(
    await _send("POST", `${at}/deliveries/${Bun.randomUUIDv7()}/replay`),
    "webhook-delivery-not-found",
  );

  const from = new Date(Date.now() - 35_000).toISOString();
  const until = new Date().toISOString();
  const failedOnly = await _send("POST", `${at}/replay`, { from, until, status: "failed" });
  expect(failedOnly.body).toEqual({ replayed: 1, next: null });
  expect((await _send("POST", `${at}/replay`, { from, until })).body).toEqual({
    replayed: 1,
    next: null,
  });
  const pending = await _send("GET", `${at}/deliveries?status=pending`);
  expect(pending.body.items.map((item: { id: string }) => item.id)).toEqual([
    ids[3],
    ids[2],
    ids[1],
  ]);
  _expectProblem(
    await _send("POST", `${at}/replay`, { from: until, until: from }),
    "invalid-webhook",
  );
});

describe("callback URLs", () => {
  const url = "https://example.org/hook/orders/7";
  const echo = (changes = {}) => ({ type: "echo", data: { message: "hello" }, ...changes });
  let writer: string;
  beforeAll(async () => {
    writer = (await _issue(stores, ["jobs:write", "jobs:read", "jobs:callback"])).key;
  });
  const _ask = (path: string, body: unknown, key = writer) => _send("POST", path, body, { key });

  test("need the scope jobs:callback and a webhook for callbacks", async () => {
    const { key } = await _issue(stores, ["jobs:write"]);
    await _put("orders", {
      url: "https://example.org/hook",
      events: ["callback"],
      types: ["echo"],
    });
    await stores.sql`update webhooks set updated_at = now() - interval '1 min'`;
    const graph = { job: echo(), children: [{ job: echo({ callbackUrl: url }) }] };
    const requests: [string, unknown][] = [
      ["/v1/jobs", echo({ callbackUrl: url })],
      ["/v1/jobs/bulk", [echo(), echo({ callbackUrl: url })]],
      [`/v1/jobs/bulk?callbackUrl=${url}`, [echo()]],
      ["/v1/graphs", graph],
      ["/v1/imports", { type: "echo", callbackUrl: url }],
    ];
    for (const [path, body] of requests) {
      _expectProblem(await _ask(path, body, key), "insufficient-scope");
      const accepted = await _ask(path, body);
      expect([accepted.status, path], accepted.text).toEqual([201, path]);
    }
    // Text that is no callback URL needs no scope.
    const labelled = echo({ labels: ["callbackUrl"] });
    for (const body of [[labelled], { job: labelled, children: [{ job: labelled }] }]) {
      const path = Array.isArray(body) ? "/v1/jobs/bulk" : "/v1/graphs";
      expect((await _ask(path, body, key)).status, path).toBe(201);
    }
    for (const other of [
      "https://example.org/hooks",
      "http://example.org/hook",
      `${url}/../../..`,
    ]) {
      const problem = _expectProblem(
        await _ask("/v1/jobs", echo({ callbackUrl: other })),
        "invalid-job",
      );
      expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/callbackUrl"]);
    }
    _expectProblem(
      await _ask("/v1/imports", { type: "row.import", callbackUrl: url }),
      "invalid-import",
    );
    await _put("elsewhere", {
      url: "https://example.com/",
      events: ["callback"],
      labels: ["paid"],
    });
    await stores.sql`update webhooks set updated_at = now() - interval '1 min'`;
    const paid = { callbackUrl: "https://example.com/x", labels: ["paid"] };
    expect((await _ask("/v1/jobs", echo(paid))).status).toBe(201);
    _expectProblem(await _ask("/v1/jobs", echo({ ...paid, labels: ["new"] })), "invalid-job");
  });

  test("are recorded with jobs and imports", async () => {
    await _put("orders", { url: "https://example.org/", events: ["callback"] });
    await stores.sql`update webhooks set updated_at = now() - interval '1 min'`;
    const [webhook] = await stores.sql`select id from webhooks`;
    const own = "https://example.org/own?token=abc";
    const bulk = await _ask(`/v1/jobs/bulk?callbackUrl=${url}`, [
      echo(),
      echo({ callbackUrl: own }),
    ]);
    const ids: string[] = bulk.body.results.map(({ id }: { id: string }) => id);
    const rows = await stores.sql`
      select callback_url, callback_webhook from jobs where id = any(${ids}::uuid[]) order by callback_url = ${own}`;
    expect([...rows]).toEqual(
      [url, own].map((at) => ({ callback_url: at, callback_webhook: webhook!["id"] })),
    );
    const job = await _send("GET", `/v1/jobs/${ids[1]}`, undefined, { key: writer });
    expect(job.body.callbackUrl).toBe("https://example.org/own?[secret]");

    const csv = {
      method: "POST",
      body: "message\nhello\n",
      headers: { "Content-Type": "text/csv", ..._bearer(writer) },
    };
    const imported = await producer.request(`/v1/imports?type=echo&callbackUrl=${url}`, csv);
    expect(imported.status, imported.text).toBe(201);
    const [row] = await stores.sql`
      select imports.callback_url, jobs.callback_url as of_job from imports join jobs on import_id = imports.id
      where imports.id = ${imported.body.id}`;
    expect(row).toEqual({ callback_url: url, of_job: null });
    _expectProblem(
      await producer.request("/v1/imports?type=echo&callbackUrl=https://example.com/", csv),
      "invalid-parameter",
    );
  });

  test("are kept with a schedule, and each run checks the webhooks again", async () => {
    await _put("orders", { url: "https://example.org/hook", events: ["callback"] });
    await stores.sql`update webhooks set updated_at = now() - interval '1 min'`;
    const path = "/v1/schedules/nightly";
    const _save = (callbackUrl: string, key = writer) =>
      _send("PUT", path, { cron: "30 2 * * *", job: echo({ callbackUrl }) }, { key });
    const { key } = await _issue(stores, ["jobs:write", "jobs:read"]);
    _expectProblem(await _save(url, key), "insufficient-scope");
    const saved = await _save(`${url}?token=abc`);
    expect(saved.status, saved.text).toBe(201);
    expect(saved.body.job.callbackUrl).toBe(`${url}?[secret]`);
    for (const other of ["https://example.org/hooks", saved.body.job.callbackUrl]) {
      const { errors } = _expectProblem(await _save(other), "invalid-schedule");
      expect(errors?.map(({ pointer }) => pointer)).toEqual(["/job/callbackUrl"]);
    }
    const _run = async () => {
      const { status, body } = await _ask(`${path}/run`, undefined, key);
      expect(status).toBe(201);
      const [job] = await stores.sql`select callback_url from jobs where id = ${body.id}`;
      const { lastRun } = (await _send("GET", path, undefined, { key })).body;
      expect(lastRun).toMatchObject({ outcome: "created", jobId: body.id });
      return [job!["callback_url"], lastRun.reason];
    };
    expect(await _run()).toEqual([`${url}?token=abc`, null]);
    await _send("DELETE", "/v1/webhooks/orders");
    expect(await _run()).toEqual([null, "callback"]);
  });

  test("wait until every process knows a new webhook", async () => {
    await _put("orders", { url: "https://example.org/", events: ["callback"] });
    const accepted = await _ask("/v1/jobs", echo({ callbackUrl: url }));
    expect(accepted.status).toBe(201);
    const [row] = await stores.sql`
      select jobs.created_at - webhooks.updated_at >= interval '2 s' as waited from jobs, webhooks where jobs.id = ${accepted.body.id}`;
    expect(row!["waited"]).toBe(true);
  });
});
