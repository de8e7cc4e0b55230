import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import type { ServerResponse } from "node:http";
import { readNewestAudit } from "@toril/contract/engine/audit/read-audit";
import { cancelJobs } from "@toril/contract/engine/jobs/change/cancel";
import { retryJobs } from "@toril/contract/engine/jobs/change/retry";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { recordMissed } from "@toril/contract/engine/webhooks/record-missed";
import { recordImportDone } from "@toril/contract/engine/webhooks/record-events";
import { sealSigningSecret } from "@toril/contract/engine/webhooks/sealed-secret";
import { createSigningSecret } from "@toril/contract/engine/webhooks/signature";
import { WebhookDefinition } from "@toril/contract/api/webhooks/webhook";
import { rotateSecret, saveWebhook } from "@toril/contract/engine/webhooks/webhook-ledger";
import { Webhook } from "standardwebhooks";
import { settleJobs } from "@toril/contract/engine/jobs/attempt/ledger-settle";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { insertJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import { readCallbackReceivers } from "@toril/contract/engine/webhooks/callbacks";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { _startReceiver } from "./_receiver.ts";
import { _openWorld, _startConsumer, _until } from "./_world.ts";

const secretKey = `2026a:${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;
const keys = createKeyRing([
  { id: "2026a", bytes: Buffer.from(secretKey.split(":")[1]!, "base64") },
]);
const env = {
  SECRET_KEYS: secretKey,
  ALLOW_PRIVATE_ADDRESSES: "true",
  WEBHOOK_RETRY_BASE_MS: "1",
  WEBHOOK_TIMEOUT_MS: "5000",
  RECONCILE_INTERVAL_MS: "100",
  RECONCILE_GRACE_MS: "0",
};
const world = await _openWorld();
const receiver = await _startReceiver();
// Consumers notice the first webhook within 2 s; this one exists before and during all tests.
await world.sql`
  insert into webhooks (tenant, name, id, url, events, secret)
  values ('other', 'first', ${Bun.randomUUIDv7()}, 'http://127.0.0.1:9/', '{job.dead}', '')`;
let consumer = await _startConsumer(world, { env });
afterAll(async () => {
  await consumer.close();
  await receiver[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});
beforeEach(() => receiver.answerWith((_, response) => response.end("ok")));
afterEach(async () => {
  await world.sql`delete from webhooks where name <> 'first'`;
  await world.sql`delete from webhook_deliveries`;
});

const ref = (name: string) => ({ tenant: "default", name });
const events = WebhookDefinition.shape.events.element.options.filter(
  (event) => event !== "callback",
);

/** Creates a webhook with the path of its name. */
async function _create(
  name: string,
  changes: Partial<WebhookDefinition> = {},
  url = receiver.base,
) {
  const secret = createSigningSecret();
  const definition = WebhookDefinition.parse({ url: `${url}/${name}`, events, ...changes });
  const { row } = await saveWebhook(world.sql, ref(name), definition, {
    check() {},
    note: async () => {},
    beforeCreate: async () => {},
    createSecret: (id) => sealSigningSecret(secret, id, keys),
  });
  return { ...row, secret };
}

type Delivery = Record<string, unknown> & { id: string };
const _deliveries = (webhookId: string) =>
  world.sql<
    Delivery[]
  >`select * from webhook_deliveries where webhook_id = ${webhookId} order by created_at, id`;
const _find = async (id: string) => (await world.sql`select * from webhooks where id = ${id}`)[0]!;

function _delivered(webhookId: string, count = 1) {
  return _until(async () => {
    const rows = await _deliveries(webhookId);
    return rows.length >= count && rows.every((row) => row["delivered_at"] !== null) && rows;
  });
}

/** Inserts pending jobs that no consumer knows. */
async function _insert(count: number, changes: { importId?: string; labels?: string[] } = {}) {
  const ids = Array.from({ length: count }, () => Bun.randomUUIDv7());
  await world.sql`
    insert into jobs (id, queue, type, data, options, import_id, labels, run_at)
    select id, 'default', 'echo', '{}', '{}', ${changes.importId ?? null}, ${changes.labels ?? null}, now() + interval '1 h'
    from unnest(${ids}::uuid[]) as id`;
  return ids;
}

const _settle = (
  ids: readonly string[],
  status: "completed" | "dead" | "expired" = "completed",
  mayHaveWebhooks = true,
) =>
  settleJobs(
    world.sql,
    ids.map((id) => ({
      id,
      generation: 0,
      status,
      attempts: 1,
      result: status === "completed" ? "{}" : null,
      error: status === "completed" ? null : '{"name":"Error","message":"no"}',
    })),
    { mayHaveWebhooks },
  );

test("a completed job is reported with a thin payload that the standardwebhooks package verifies", async () => {
  const { id: webhookId, secret } = await _create("done");
  const job = await world.accept({
    type: "echo",
    data: { message: "hello" },
    key: "order-7",
    labels: ["paid"],
  });
  const [delivery] = await _delivered(webhookId);
  const [request] = receiver.on("/done");
  const verified = new Webhook(secret).verify(
    request!.text,
    request!.headers as Record<string, string>,
  );
  expect(verified).toEqual({
    type: "job.completed",
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    data: {
      id: job.id,
      type: "echo",
      queue: "default",
      key: "order-7",
      status: "completed",
      generation: 0,
      attempts: 1,
      labels: ["paid"],
      importId: null,
    },
  });
  expect(request!.headers["webhook-id"]).toBe(delivery!.id);
  expect(delivery).toMatchObject({
    attempts: 1,
    response_status: 200,
    response_body: "ok",
    error: null,
    next_at: null,
  });
  expect(() =>
    new Webhook(createSigningSecret()).verify(
      request!.text,
      request!.headers as Record<string, string>,
    ),
  ).toThrow();
});

test("every way to end a job, an import and a missed fire time is reported once", async () => {
  const { id } = await _create("all");
  const importId = Bun.randomUUIDv7();
  await world.sql`insert into imports (id, type, status, read, accepted) values (${importId}, 'echo', 'received', 4, 4)`;
  const jobs = await _insert(4, { importId });
  await _settle([jobs[0]!]);
  await _settle([jobs[1]!], "dead");
  await _settle([jobs[2]!], "expired");
  await cancelJobs(world.sql, [{ id: jobs[3]! }]);
  // Done again after a retry: the import was reported already, the job has another generation.
  await retryJobs(world.sql, [jobs[1]!], { statuses: ["dead"], quotaKey: undefined });
  await cancelJobs(world.sql, [{ id: jobs[1]! }]);
  await recordImportDone(world.sql, importId);
  const run = {
    scheduledFor: "2026-11-23T02:30:00.000Z",
    at: "2026-11-23T08:00:00.000Z",
    outcome: "skipped" as const,
    jobId: null,
    reason: "misfire" as const,
    detail: null,
  };
  const missed = { tenant: "default", name: "nightly", type: "echo", queue: "default", run };
  await recordMissed(world.sql, [missed]);
  await recordMissed(world.sql, [missed]);
  const rows = await _delivered(id, 7);
  expect(rows.map((row) => String(row["event"])).toSorted()).toEqual([
    "import.done",
    "job.cancelled",
    "job.cancelled",
    "job.completed",
    "job.dead",
    "job.expired",
    "schedule.missed",
  ]);
  expect(
    receiver
      .on("/all")
      .map(({ headers }) => String(headers["webhook-id"]))
      .toSorted(),
  ).toEqual(rows.map((row) => row.id).toSorted());
  const done = receiver.on("/all").find(({ body }) => body.type === "import.done");
  expect(done?.body.data).toMatchObject({
    id: importId,
    status: "done",
    counts: { accepted: 4, completed: 1 },
  });
});

test("the reconciler reports expired jobs, and consumers report dead ones and missed fire times", async () => {
  const { id } = await _create("consumer", {
    events: ["job.dead", "job.expired", "schedule.missed"],
  });
  const expired = await world.record({
    type: "echo",
    data: { message: "late" },
    delayMs: 3_600_000,
  });
  await world.sql`update jobs set expires_at = now() where id = ${expired.id}`;
  const dead = await world.accept({
    type: "echo",
    data: { message: "no", failures: 1 },
    attempts: 1,
  });
  const definition = {
    everyMs: 86_400_000,
    from: new Date(Date.now() - 90_000_000).toISOString(),
    timeZone: "UTC",
    overlap: "skip",
    misfire: "skip",
    job: { type: "echo", data: { message: "again" } },
  };
  await world.sql`
    insert into schedules (tenant, name, id, type, definition, source, next_at)
    values ('default', 'daily', ${Bun.randomUUIDv7()}, 'echo', ${world.sql.json(definition)}, 'api', now() - interval '1 day')`;
  await _delivered(id, 3);
  const reported = new Map(receiver.on("/consumer").map(({ body }) => [body.type, body.data]));
  expect(reported.get("job.expired")).toMatchObject({ id: expired.id });
  expect(reported.get("job.dead")).toMatchObject({ id: dead.id, status: "dead" });
  expect(reported.get("schedule.missed")).toMatchObject({
    schedule: "daily",
    outcome: "skipped",
    reason: "misfire",
  });
  await world.sql`delete from schedules`;
});

test("a webhook gets only the events it subscribes to, of its types, queues, labels and tenant", async () => {
  const only = { events: ["job.completed" as const] };
  const ids = [
    await _create("types", { ...only, types: ["row.import"] }),
    await _create("queues", { ...only, queues: ["feeds"] }),
    await _create("events", { events: ["job.dead"] }),
    await _create("disabled", only),
    await _create("unlabelled", { ...only, labels: ["unpaid"] }),
  ].map(({ id }) => id);
  await world.sql`update webhooks set is_enabled = false where name = 'disabled'`;
  await world.sql`update webhooks set tenant = 'acme' where name = 'queues'`;
  const labelled = await _create("labelled", {
    ...only,
    labels: ["paid", "new"],
    types: ["echo"],
    queues: ["default"],
  });
  await _settle(await _insert(1, { labels: ["paid"] }));
  expect(await _deliveries(labelled.id)).toHaveLength(1);
  expect(
    await world.sql`select from webhook_deliveries where webhook_id = any(${ids}::uuid[])`,
  ).toHaveLength(0);
});

/** Records a job whose end is reported to a path of the receiver, as a producer does. */
async function _acceptWithCallback(path: string, request: JobRequest) {
  const callbacks = { receivers: await readCallbackReceivers(world.sql, "default") };
  const callbackUrl = `${receiver.base}${path}`;
  const origin = { tenant: "default", callbacks };
  const made = createNewJob(shippedRegistry, { ...request, callbackUrl }, origin, undefined);
  if (made.status !== "ok") throw new Error(made.kind);
  await insertJobs(world.sql, [made.job]);
  await world.dispatchJob(made.job);
  return made.job;
}

test("the end of a job and of an import is reported to their callback URLs, also if the webhook was disabled", async () => {
  const { id: webhookId, secret } = await _create("callbacks", { events: ["callback"] });
  await _create("others", { events: ["job.dead"] });
  await world.sql`update webhooks set is_enabled = false where id = ${webhookId}`;
  receiver.answerWith(({ path }, response) =>
    response.writeHead(path === "/callbacks/7" ? 410 : 200).end(),
  );
  const job = await _acceptWithCallback("/callbacks/7", { type: "echo", data: { message: "7" } });
  await world.accept({ type: "echo", data: { message: "without" } });
  const importId = Bun.randomUUIDv7();
  await world.sql`
    insert into imports (id, type, status, read, accepted, callback_url, callback_webhook)
    values (${importId}, 'echo', 'received', 1, 1, ${`${receiver.base}/callbacks/import`}, ${webhookId})`;
  await _settle(await _insert(1, { importId }));
  await _until(async () => (await _deliveries(webhookId)).length === 2);
  await world.sql`update webhooks set is_enabled = true where id = ${webhookId}`;
  const rows = await _until(async () => {
    const all = await _deliveries(webhookId);
    return all.every((row) => row["next_at"] === null) && all;
  });
  const sent = new Map(rows.map((row) => [row["event"], [row["url"], row["response_status"]]]));
  expect(sent.get("import.done")).toEqual([`${receiver.base}/callbacks/import`, 200]);
  expect(sent.get("job.completed")).toEqual([`${receiver.base}/callbacks/7`, 410]);
  expect(sent.size).toBe(2);
  expect(receiver.on("/callbacks")).toHaveLength(0);
  const [request] = receiver.on("/callbacks/7");
  const verified = new Webhook(secret).verify(
    request!.text,
    request!.headers as Record<string, string>,
  );
  expect(verified).toMatchObject({ type: "job.completed", data: { id: job.id } });
  // Gone is the callback, not the webhook; a job that ends again is another event.
  expect(await _find(webhookId)).toMatchObject({ is_enabled: true });
  await retryJobs(world.sql, [job.id], { statuses: ["completed"], quotaKey: undefined });
  await cancelJobs(world.sql, [{ id: job.id }]);
  await _until(() => receiver.on("/callbacks/7").length === 2);
  expect(
    new Set(receiver.on("/callbacks/7").map(({ headers }) => headers["webhook-id"])).size,
  ).toBe(2);
});

test("the jobs that a handler enqueues may have callback URLs, within the webhooks", async () => {
  const { id } = await _create("callbacks", { events: ["callback"] });
  const urls = ["/callbacks/child", "/elsewhere/child"].map((path) => receiver.base + path);
  const enqueued: unknown[] = [];
  await consumer.close();
  consumer = await _startConsumer(world, {
    env,
    handlers: {
      async echo({ message }, { enqueue }) {
        const child = (callbackUrl: string) => ({
          type: "echo" as const,
          data: { message: "child" },
          callbackUrl,
        });
        if (message === "parent") enqueued.push(await enqueue(urls.map(child)));
        return { message };
      },
    },
  });
  await world.accept({ type: "echo", data: { message: "parent" } });
  await _until(() => receiver.on("/callbacks/child").length === 1);
  const detail = expect.any(String);
  expect(enqueued).toEqual([{ created: 1, duplicate: 0, refused: [{ index: 1, detail }] }]);
  expect((await _deliveries(id)).map(({ url }) => url)).toEqual([urls[0]]);
  expect(receiver.on("/elsewhere/child")).toHaveLength(0);
  await consumer.close();
  consumer = await _startConsumer(world, { env });
});

test("the job of a schedule is reported to its callback URL while the webhook permits it", async () => {
  const { id: webhook } = await _create("callbacks", { events: ["callback"] });
  await world.sql`update webhooks set updated_at = now() + interval '1 h' where id = ${webhook}`;
  const urls = ["/callbacks/run", "/elsewhere/run"].map((path) => receiver.base + path);
  for (const [index, callbackUrl] of urls.entries()) {
    const definition = {
      everyMs: 86_400_000,
      timeZone: "UTC",
      overlap: "skip",
      misfire: "catch-up",
      job: { type: "echo", data: { message: "again" }, callbackUrl },
    };
    await world.sql`
      insert into schedules (tenant, name, id, type, definition, source, next_at)
      values ('default', ${`run-${index}`}, ${Bun.randomUUIDv7()}, 'echo', ${world.sql.json(definition)}, 'api', now() - interval '1 s')`;
  }
  await _until(() => receiver.on("/callbacks/run").length === 1);
  const runs = await _until(async () => {
    const rows = await world.sql`select last_run from schedules order by name`;
    return rows.every((row) => row["last_run"] !== null) && rows.map((row) => row["last_run"]);
  });
  expect(runs).toMatchObject([
    { outcome: "created", reason: null, detail: null },
    { outcome: "created", reason: "callback", detail: expect.stringContaining("not reported") },
  ]);
  const jobs = await world.sql`
    select callback_url, callback_webhook, run_at >= created_at + interval '1 s' as waited from jobs
    where schedule is not null order by schedule`;
  expect([...jobs]).toEqual([
    // The webhook is new: consumers may not know it yet.
    { callback_url: urls[0], callback_webhook: webhook, waited: true },
    { callback_url: null, callback_webhook: null, waited: null },
  ]);
  await world.sql`delete from schedules`;
});

test("a callback URL that the webhook does not permit any more gets no request", async () => {
  const { id } = await _create("moved", { events: ["callback"] });
  const job = await _acceptWithCallback("/moved/1", {
    type: "echo",
    data: { message: "late" },
    delayMs: 3_600_000,
  });
  await world.sql`update webhooks set url = ${`${receiver.base}/elsewhere`} where id = ${id}`;
  await cancelJobs(world.sql, [{ id: job.id }]);
  await _until(async () => typeof (await _deliveries(id))[0]?.["error"] === "string");
  expect((await _deliveries(id))[0]!["error"]).toBe(
    "The webhook does not permit this callback URL any more.",
  );
  expect(receiver.on("/moved/1")).toHaveLength(0);
});

test("a statement for a service without webhooks records no event", async () => {
  const { id } = await _create("none");
  await _settle(await _insert(1), "completed", false);
  expect(await _deliveries(id)).toHaveLength(0);
});

test("an attempt that fails is repeated under the same id; a redirect and a timeout are failures", async () => {
  const { id } = await _create("retried");
  const answers = [
    (response: ServerResponse) => response.writeHead(500).end("broken"),
    (response: ServerResponse) =>
      response.writeHead(307, { location: `${receiver.base}/moved` }).end(),
    () => {},
  ];
  const errors: unknown[] = [];
  const answer = async (response: ServerResponse) => {
    const [row] = await _deliveries(id);
    errors.push(row?.["error"]);
    const next = answers.shift();
    if (next === undefined) response.end("ok");
    else next(response);
  };
  receiver.answerWith((_, response) => void answer(response));
  await _settle(await _insert(1));
  const [delivery] = await _delivered(id);
  expect(delivery).toMatchObject({ attempts: 4, error: null });
  expect(errors).toEqual([
    null,
    "The endpoint answered 500.",
    "The endpoint answered 307. Redirects are not followed.",
    "No complete response arrived within 5000 ms.",
  ]);
  expect(new Set(receiver.on("/retried").map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(receiver.on("/moved")).toHaveLength(0);
  await _until(async () => (await _find(id))["failing_since"] === null);
});

test("during a rotation requests verify with both secrets, afterwards with the new one", async () => {
  const { id, secret } = await _create("rotated");
  const next = createSigningSecret();
  const rotation = {
    graceMs: 3_600_000,
    createSecret: (webhookId: string) => sealSigningSecret(next, webhookId, keys),
  };
  await rotateSecret(
    world.sql,
    ref("rotated"),
    rotation,
    () => {},
    async () => {},
  );
  await _settle(await _insert(1));
  await _delivered(id);
  const _verify = (one: string) => {
    const { text, headers } = receiver.on("/rotated").at(-1)!;
    return () => new Webhook(one).verify(text, headers as Record<string, string>);
  };
  expect(_verify(secret)).not.toThrow();
  expect(_verify(next)).not.toThrow();
  await world.sql`update webhooks set previous_until = now() where id = ${id}`;
  await _settle(await _insert(1));
  await _delivered(id, 2);
  expect(_verify(secret)).toThrow();
  expect(_verify(next)).not.toThrow();
});

test("410 disables a webhook, and so do days without success; both are audited", async () => {
  const gone = await _create("gone");
  const failing = await _create("failing");
  receiver.answerWith(({ path }, response) =>
    response.writeHead(path === "/gone" ? 410 : 500).end(),
  );
  await world.sql`update webhooks set failing_since = now() - interval '6 days' where id = ${failing.id}`;
  await _settle(await _insert(1));
  await _until(
    async () =>
      (await world.sql`select from webhooks where is_enabled and name <> 'first'`).length === 0,
  );
  expect(await _find(gone.id)).toMatchObject({ disabled_reason: "gone" });
  expect(await _find(failing.id)).toMatchObject({ disabled_reason: "failing" });
  // The event of the gone endpoint fails, the other one is sent when the webhook is enabled again.
  expect(await _deliveries(gone.id)).toMatchObject([{ next_at: null, response_status: 410 }]);
  expect((await _deliveries(failing.id))[0]!["next_at"]).not.toBeNull();
  const audited = await readNewestAudit(world.sql, 2);
  expect(
    audited.map(({ action, target, outcome }) => `${action} ${target} ${outcome}`).toSorted(),
  ).toEqual([
    "disableWebhook /v1/webhooks/failing failing",
    "disableWebhook /v1/webhooks/gone gone",
  ]);
});

test("an attempt that began before a change neither disables nor pauses the webhook", async () => {
  const { id } = await _create("moved");
  let answer: ((status: number) => void) | undefined;
  receiver.answerWith(({ path }, response) => {
    if (path === "/new/moved") response.end();
    else answer = (status) => response.writeHead(status, { "retry-after": "3600" }).end();
  });
  for (const status of [410, 503]) {
    await _settle(await _insert(1));
    const reply = await _until(() => answer);
    answer = undefined;
    await _create("moved", {}, `${receiver.base}/new`);
    reply(status);
    await _until(async () => (await _deliveries(id)).at(-1)!["response_status"] === status);
    await _settle(await _insert(1));
    await _until(() => receiver.on("/new/moved").length > 0);
    expect(await _find(id)).toMatchObject({ is_enabled: true, paused_until: null });
    await _create("moved");
  }
});

test("a new URL begins without the failures and the pause of the old one", async () => {
  const { id } = await _create("new-url");
  await world.sql`update webhooks set failing_since = now(), paused_until = now() where id = ${id}`;
  await _create("new-url", { events: ["job.dead"] });
  expect((await _find(id))["paused_until"]).not.toBeNull();
  await _create("new-url", {}, `${receiver.base}/new`);
  expect(await _find(id)).toMatchObject({ failing_since: null, paused_until: null });
});

test("Retry-After pauses the whole webhook", async () => {
  const { id } = await _create("busy");
  receiver.answerWith((_, response) => response.writeHead(503, { "retry-after": "3600" }).end());
  await _settle(await _insert(1));
  const row = await _until(async () => {
    const found = await _find(id);
    return found["paused_until"] !== null && found;
  });
  expect(row["paused_until"].getTime()).toBeGreaterThan(Date.now() + 3_000_000);
});

test("a request that succeeds after another one was answered with Retry-After does not end the pause", async () => {
  const { id } = await _create("pausing");
  const [first, second] = [
    Promise.withResolvers<ServerResponse>(),
    Promise.withResolvers<ServerResponse>(),
  ];
  receiver.answerWith((_, response) =>
    (receiver.on("/pausing").length === 1 ? first : second).resolve(response),
  );
  await _settle(await _insert(2));
  const [one, other] = await Promise.all([first.promise, second.promise]);
  one.writeHead(429, { "retry-after": "3600" }).end();
  await _until(async () => (await _find(id))["paused_until"] !== null);
  other.end("ok");
  await _until(async () => (await _deliveries(id)).some((row) => row["delivered_at"] !== null));
  expect(await _find(id)).toMatchObject({ failing_since: null, paused_until: expect.any(Date) });
});

test("an endpoint that hangs holds one slot, and others are served", async () => {
  const hanging = await _create("hanging");
  const healthy = await _create("healthy");
  receiver.answerWith(({ path }, response) => {
    if (path === "/healthy") response.end();
  });
  await world.sql`update webhooks set failing_since = now() where id = ${hanging.id}`;
  await _settle(await _insert(30));
  await _delivered(healthy.id, 30);
  const attempted = (await _deliveries(hanging.id)).filter((row) => row["attempts"] !== 0);
  expect(attempted.length).toBeLessThan(30);
});

test("kill -9 between settling and delivery loses no event and sends none under two ids", async () => {
  await consumer.close();
  const { id } = await _create("killed", { events: ["job.completed"] });
  const called = await _create("called", { events: ["callback"] });
  // The first consumer never gets a response.
  receiver.answerWith(() => {});
  const child = spawn("node", [`${import.meta.dir}/_node-consumer.ts`], {
    env: {
      ...process.env,
      ...env,
      WEBHOOK_TIMEOUT_MS: "60000",
      REDIS_URL: world.redisUrl,
      DATABASE_URL: world.databaseUrl,
      BULL_PREFIX: world.prefix,
    },
    stdio: "ignore",
  });
  const jobs = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      _acceptWithCallback(`/called/${n}`, { type: "echo", data: { message: String(n) } }),
    ),
  );
  // On a busy machine the process takes long to start.
  await _until(async () => (await _deliveries(id)).length === jobs.length);
  await _until(() => receiver.on("/killed").length > 0);
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  receiver.answerWith((_, response) => response.end("ok"));
  // The claims of the dead process expire.
  await world.sql`update webhook_deliveries set next_at = now() where next_at is not null`;
  consumer = await _startConsumer(world, { env });
  const rows = await _delivered(id, jobs.length);
  const sent = receiver
    .on("/killed")
    .map(({ headers, body }) => [body.data.id, headers["webhook-id"]] as const);
  expect(new Set(sent.map(([job]) => job))).toEqual(new Set(jobs.map((job) => job.id)));
  expect(new Set(sent.map(([, event]) => event))).toEqual(new Set(rows.map((row) => row.id)));
  expect(rows).toHaveLength(jobs.length);
  const callbacks = await _delivered(called.id, jobs.length);
  expect(callbacks).toHaveLength(jobs.length);
  for (const [n, job] of jobs.entries()) {
    const requests = receiver.on(`/called/${n}`);
    expect(new Set(requests.map(({ body }) => body.data.id))).toEqual(new Set([job.id]));
    expect(new Set(requests.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  }
}, 180_000);
