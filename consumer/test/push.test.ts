import { afterAll, beforeEach, expect, test } from "bun:test";
import { JobTypeRegistration } from "@toril/contract/api/job-type-registration";
import { createNewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import {
  type JobTypeRow,
  readChangedJobTypes,
  saveJobType,
} from "@toril/contract/engine/job-types/job-type-ledger";
import { toJobType } from "@toril/contract/engine/job-types/to-job-type";
import { parseLease } from "@toril/contract/engine/jobs/attempt/lease";
import { bullId, lockKey } from "@toril/contract/engine/redis/names";
import { insertJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import {
  findEndpoint,
  maxFailures,
  resetEndpoint,
  rotateEndpoint,
  saveEndpoint,
  toEndpoint,
} from "@toril/contract/engine/push/endpoint-ledger";
import { disablePush, pausePush } from "@toril/contract/engine/push/endpoint-state";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { createSigningSecret } from "@toril/contract/engine/webhooks/signature";
import type { ServerResponse } from "node:http";
import type { ISql } from "postgres";
import { Webhook } from "standardwebhooks";
import { _startReceiver } from "./_receiver.ts";
import { _openWorld, _startConsumer, _until } from "./_world.ts";

const world = await _openWorld();
const receiver = await _startReceiver();
const secretKey = { id: "test", bytes: crypto.getRandomValues(new Uint8Array(32)) };
const consumer = await _startConsumer(world, {
  env: {
    ALLOW_PRIVATE_ADDRESSES: "true",
    WORKER_LOCK_DURATION_MS: "5000",
    WORKER_MAX_STALLED_COUNT: "5",
    SECRET_KEYS: `test:${Buffer.from(secretKey.bytes).toString("base64")}`,
  },
});
afterAll(async () => {
  await consumer.close();
  await receiver[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});
beforeEach(() => receiver.answerWith((_, response) => response.end()));

const json = { "content-type": "application/json" };
let count = 0;

/** Registers a type whose endpoint has the path of its name. */
async function _register(changes: object = {}, { timeoutMs = 30_000, url = receiver.base } = {}) {
  count += 1;
  const type = `mail.send-${count}`;
  const ref = { tenant: "default", type };
  const secret = createSigningSecret();
  async function save(changed: object) {
    const saved = {
      ...JobTypeRegistration.parse({
        data: { type: "object" },
        worker: "push",
        push: { url: `${url}/${type}`, timeoutMs },
        backoff: { type: "fixed", delay: 1 },
        ...changed,
      }),
      queue: type,
    };
    const alongside = async () => {};
    async function onSaved(tx: ISql, existing?: JobTypeRow) {
      const isMoved = existing?.definition.push?.url !== saved.push?.url;
      await saveEndpoint(tx, ref, { isMoved, createSecret: () => secret });
    }
    const options = { check() {}, force: true, maxTypes: 100, alongside, onSaved };
    await saveJobType(world.sql, ref, saved, options);
    return saved;
  }
  let registration = await save(changes);

  const getEndpoint = async () => toEndpoint((await findEndpoint(world.sql, ref))!, "");
  return {
    type,
    ref,
    secret,
    requests: () => receiver.on(`/${type}`),
    getEndpoint,
    async change(changed: object) {
      registration = await save({ ...changes, ...changed });
    },
    async enqueue(data: object = {}) {
      const request = { type, data };
      const made = createNewJob(
        { find: () => toJobType(type, registration) },
        request,
        ref,
        createKeyRing([secretKey]),
      );
      if (made.status !== "ok") throw new Error(made.kind);
      await insertJobs(world.sql, [made.job]);
      await world.dispatchJob(made.job);
      return made.job.id;
    },
  };
}

test("the rate limit of each key holds for the requests to an endpoint", async () => {
  const rateLimit = { key: "/host", max: 1, durationMs: 3_600_000 };
  const { type, requests, enqueue } = await _register({ rateLimit });
  for (const host of ["a", "a", "b", "a"]) await enqueue({ host });
  const queue = world.queue(type);
  await _until(async () => (await queue.getDelayedCount()) === 2 && requests().length === 2);
  await queue.close();
  const hosts = requests().map(({ body }): string => body.data.host);
  expect(hosts.toSorted()).toEqual(["a", "b"]);
});

test("a job is sent to its endpoint, signed, and the JSON of the response is its result", async () => {
  const { type, secret, requests, enqueue } = await _register();
  receiver.answerWith((_, response) => response.writeHead(201, json).end('{"sent":true}'));
  const id = await enqueue({ to: "ann@example.org" });
  const row = await world.waitForEnd(id);
  expect(row).toMatchObject({ status: "completed", result: { sent: true }, attempts: 1 });
  const [request] = requests();
  const verified = new Webhook(secret).verify(
    request!.text,
    request!.headers as Record<string, string>,
  );
  expect(verified).toEqual({ id, type, attempt: 1, data: { to: "ann@example.org" } });
  expect(request!.headers).toMatchObject({ "webhook-id": id, "toril-attempt": "1" });
});

test("a response without JSON completes the job with the result null", async () => {
  const { enqueue } = await _register();
  receiver.answerWith((_, response) => response.end("ok"));
  expect(await world.waitForEnd(await enqueue())).toMatchObject({
    status: "completed",
    result: null,
  });
});

test.each(['{"n":9007199254740993}', '{"n":1e400}', '{"n":1,"n":2}'])(
  "a result that cannot be stored exactly makes the job dead: %s",
  async (result) => {
    const { enqueue } = await _register();
    receiver.answerWith((_, response) => response.writeHead(200, json).end(result));
    expect(await world.waitForEnd(await enqueue())).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { message: expect.stringMatching(/^The result cannot be stored exactly: \/n: /) },
    });
  },
);

test("a result that does not match the schema of the type fails the attempt", async () => {
  const { enqueue } = await _register({
    attempts: 1,
    result: { type: "object", required: ["sent"] },
  });
  receiver.answerWith((_, response) => response.writeHead(200, json).end("{}"));
  expect(await world.waitForEnd(await enqueue())).toMatchObject({
    status: "dead",
    attempts: 1,
    error: { name: "InvalidResult" },
  });
});

test("the result of a request is validated by a version of the type that was registered during the request", async () => {
  const _requires = (field: string) => ({ result: { type: "object", required: [field] } });
  const { enqueue, change, requests } = await _register({ attempts: 1, ..._requires("sent") });
  receiver.answerWith(
    (_, response) =>
      void change(_requires("messageId")).then(() =>
        response.writeHead(200, json).end('{"messageId":"7"}'),
      ),
  );
  const result = { messageId: "7" };
  expect(await world.waitForEnd(await enqueue())).toMatchObject({ status: "completed", result });
  expect(requests()).toHaveLength(1);
});

test("a field that became a secret a moment ago is sent decrypted", async () => {
  const { enqueue, change, requests } = await _register();
  await world.waitForEnd(await enqueue());
  await change({ secret: ["/token"] });
  const id = await enqueue({ token: "t0p-secret" });
  expect((await world.getRow(id))!["data"]).toEqual({ token: expect.stringContaining("sealed:") });
  await world.waitForEnd(id);
  const { body, headers } = requests().at(-1)!;
  expect(body.data).toEqual({ token: "t0p-secret" });
  // A producer that finishes the job must know the secrets, too.
  const lease = parseLease(String(headers["toril-lease"]));
  expect(lease?.revision).toBe((await readChangedJobTypes(world.sql, 0)).at(-1)!.revision);
});

test("500, a redirect and a response that never comes are retried by the policy of the type", async () => {
  const { enqueue, requests } = await _register({ attempts: 4 }, { timeoutMs: 5000 });
  receiver.answerWith((_, response) => {
    const { length } = requests();
    if (length === 1) response.writeHead(500).end("broken");
    else if (length === 2) response.writeHead(302, { location: `${receiver.base}/target` }).end();
    else if (length > 3) response.end();
  });
  const row = await world.waitForEnd(await enqueue());
  expect(row).toMatchObject({ status: "completed", attempts: 4 });
  expect(row["failures"].map(({ message }: { message: string }) => message)).toEqual([
    "The endpoint answered 500. broken",
    "The endpoint answered 302; redirects are not followed.",
    "No complete response arrived within 5000 ms.",
  ]);
  expect(receiver.on("/target")).toHaveLength(0);
});

test("an endpoint that refuses connections fails the attempt", async () => {
  const { enqueue } = await _register({ attempts: 1 }, { url: "http://127.0.0.1:1" });
  expect(await world.waitForEnd(await enqueue())).toMatchObject({ status: "dead", attempts: 1 });
});

test("202 with Toril-Finish: later leaves the job to the endpoint, until the lease expires", async () => {
  const { type, enqueue, requests } = await _register({ attempts: 1 });
  const leases = ["600000", "1000"];
  receiver.answerWith((_, response) => {
    const leaseMs = leases[requests().length - 1];
    if (leaseMs === undefined) response.end();
    else response.writeHead(202, { "toril-finish": "later", "toril-lease-ms": leaseMs }).end("{}");
  });
  const id = await enqueue();
  const lock = lockKey(world.prefix, type, bullId(id, 0));
  // Longer than a consumer holds a job without renewing the lock.
  await _until(async () => (await world.redis.pttl(lock)) > 500_000);
  const [request] = requests();
  expect(parseLease(String(request!.headers["toril-lease"]))).toEqual({
    queue: type,
    generation: 0,
    token: (await world.redis.get(lock))!,
  });
  expect(await world.getRow(id)).toMatchObject({ status: "pending" });
  await world.redis.del(lock);
  // The lease expires twice, by hand and by time. A lost attempt does not use up an attempt.
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  expect(requests().map(({ headers }) => headers["toril-attempt"])).toEqual(["1", "2", "3"]);
});

test("Toril-Retry: no makes the job dead", async () => {
  const { enqueue, requests } = await _register({ attempts: 5 });
  receiver.answerWith((_, response) =>
    response.writeHead(422, { "toril-retry": "no" }).end("no such user"),
  );
  const row = await world.waitForEnd(await enqueue());
  expect(row).toMatchObject({
    status: "dead",
    attempts: 1,
    error: { message: "The endpoint answered 422. no such user" },
  });
  expect(requests()).toHaveLength(1);
});

test("Retry-After pauses the endpoint and uses no attempt", async () => {
  const { enqueue, requests, getEndpoint, ref } = await _register({ attempts: 1 });
  receiver.answerWith((_, response) =>
    requests().length === 1
      ? response.writeHead(429, { "retry-after": "3600" }).end()
      : response.end(),
  );
  const id = await enqueue();
  await _until(async () => (await getEndpoint()).pauseReason === "retry-after");
  await resetEndpoint(world.sql, ref);
  // The job itself is delayed, as the response asked for; another one is sent at once.
  expect(await world.waitForEnd(await enqueue())).toMatchObject({ status: "completed" });
  expect(await world.getRow(id)).toMatchObject({ status: "pending" });
});

test("a request that succeeds after another one was answered with Retry-After does not end the pause", async () => {
  const { enqueue, requests, getEndpoint } = await _register({ attempts: 2 });
  receiver.answerWith((_, response) => response.writeHead(500).end());
  await world.waitForEnd(await enqueue());
  const responses: ServerResponse[] = [];
  receiver.answerWith((_, response) => void responses.push(response));
  const ids = await Promise.all([enqueue(), enqueue()]);
  await _until(() => responses.length === 2);
  responses[0]!.writeHead(429, { "retry-after": "3600" }).end();
  await _until(async () => (await getEndpoint()).pauseReason === "retry-after");
  responses[1]!.end();
  const paused = await _until(async () => {
    const endpoint = await getEndpoint();
    return endpoint.consecutiveFailures === 0 && endpoint;
  });
  expect(paused).toMatchObject({ pauseReason: "retry-after", pausedUntil: expect.any(String) });
  expect(requests()).toHaveLength(4);
  const rows = await Promise.all(ids.map(world.getRow));
  expect(rows.map((row) => row!["status"])).toContain("pending");
});

test("410 disables the endpoint; its jobs wait until it is reset", async () => {
  const { enqueue, requests, getEndpoint, ref } = await _register({ attempts: 1 });
  receiver.answerWith((_, response) =>
    response.writeHead(requests().length === 1 ? 410 : 200).end(),
  );
  const id = await enqueue();
  await _until(async () => !(await getEndpoint()).enabled);
  expect(await world.getRow(id)).toMatchObject({ status: "pending" });
  await resetEndpoint(world.sql, ref);
  expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
});

test.each([
  "it was reset",
  "another URL replaced its URL",
  "another URL replaced its URL and was replaced by it again",
])("a response does not change the endpoint if %s meanwhile", async (event) => {
  const { type, ref, change, enqueue, getEndpoint } = await _register({ attempts: 1 });
  const held: ((status: number) => void)[] = [];
  receiver.answerWith((_, response) => {
    if (held.length === 3) response.end();
    else held.push((status) => response.writeHead(status, { "retry-after": "3600" }).end());
  });
  const ids = await Promise.all([enqueue(), enqueue(), enqueue()]);
  await _until(() => held.length === 3);
  if (event === "it was reset") await resetEndpoint(world.sql, ref);
  else await change({ push: { url: `${receiver.base}/moved-${type}` } });
  if (event.endsWith("again")) await change({});
  held.forEach((answer, index) => answer([410, 500, 429][index]!));
  // The job after 410 is sent again, that after 500 is dead, and that after 429 is delayed.
  const queue = world.queue(type);
  await _until(async () => {
    const rows = await Promise.all(ids.map((id) => world.getRow(id)));
    const statuses = rows.map((row) => row!["status"] as string).toSorted();
    return statuses.join() === "completed,dead,pending" && (await queue.getDelayedCount()) === 1;
  });
  await queue.close();
  expect(await getEndpoint()).toMatchObject({
    enabled: true,
    pausedUntil: null,
    consecutiveFailures: 0,
  });
});

test("a response of a replaced URL does not change the endpoint, even if its consumer knew the new version", async () => {
  const { type, ref, change, getEndpoint } = await _register();
  await change({ push: { url: `${receiver.base}/moved-${type}` } });
  const { version } = (await findEndpoint(world.sql, ref))!;
  const sent = { ...ref, version, url: `${receiver.base}/${type}` };
  expect(await disablePush(world.sql, sent)).toBe(false);
  await pausePush(world.sql, sent, 3_600_000);
  expect(await getEndpoint()).toMatchObject({ enabled: true, pausedUntil: null });
});

test("the circuit opens after consecutive failures, and a success closes it", async () => {
  const { enqueue, requests, getEndpoint, ref } = await _register({ attempts: 100 });
  let isBroken = true;
  receiver.answerWith((_, response) => response.writeHead(isBroken ? 500 : 200).end());
  const ids = await Promise.all([enqueue(), enqueue()]);
  const open = await _until(async () => {
    const endpoint = await getEndpoint();
    return endpoint.circuit === "open" && endpoint;
  });
  expect(open.consecutiveFailures).toBeGreaterThanOrEqual(maxFailures);
  isBroken = false;
  const before = requests().length;
  // The pause ends, and one job is sent to test the endpoint.
  await world.sql`update push_endpoints set paused_until = now() where type = ${ref.type}`;
  for (const id of ids) expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  const closed = await _until(async () => {
    const endpoint = await getEndpoint();
    return endpoint.circuit === "closed" && endpoint;
  });
  expect(closed).toMatchObject({ consecutiveFailures: 0, pausedUntil: null });
  expect(requests().length).toBeGreaterThan(before);
});

test("a changed URL and a rotated secret are used for later jobs", async () => {
  const { type, ref, secret, enqueue, change } = await _register();
  await world.waitForEnd(await enqueue());
  const next = createSigningSecret();
  await rotateEndpoint(world.sql, ref, { graceMs: 3_600_000, createSecret: () => next });
  await change({ push: { url: `${receiver.base}/moved-${type}` } });
  const request = await _until(async () => {
    await world.waitForEnd(await enqueue());
    const last = receiver.on(`/moved-${type}`).at(-1);
    return (last?.headers["webhook-signature"] as string | undefined)?.includes(" ") && last;
  });
  for (const one of [secret, next]) {
    expect(() =>
      new Webhook(one).verify(request.text, request.headers as Record<string, string>),
    ).not.toThrow();
  }
});
