import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { jobKey, lockKey, queueKeys } from "@toril/contract/engine/redis/names";
import { _bearer, _issue } from "./_keys.ts";
import {
  _expectProblem,
  _json,
  _openStores,
  _startProducer,
  _until,
  type _Producer,
  type _Stores,
} from "./_producer.ts";
import { _createWorker, _pullRegistry } from "./_pull.ts";

const secretKeys = `1:${Buffer.alloc(32, 7).toString("base64")}`;

let stores: _Stores;
let producer: _Producer;
let other: _Producer;
let worker: ReturnType<typeof _createWorker>;

beforeAll(async () => {
  stores = await _openStores();
  const settings = { SECRET_KEYS: secretKeys };
  producer = await _startProducer(stores, settings, _pullRegistry);
  other = await _startProducer(stores, settings, _pullRegistry);
  worker = _createWorker(producer);
});

afterAll(async () => {
  await producer.close();
  await other.close();
  await stores.close();
});

async function _enqueue(more: object = {}): Promise<string> {
  const answer = await producer.post({ type: "test.resize", data: { url: "a.png" }, ...more });
  expect(answer.status, answer.text).toBe(201);
  return answer.body.id;
}

const _get = async (id: string) => (await producer.request(`/v1/jobs/${id}`)).body;
const _completed = { outcome: "completed", result: { width: 5 } };

describe("a worker", () => {
  beforeEach(() => stores.clear());

  test("takes jobs with parsed data, finishes them once, and takes the next ones with the same request", async () => {
    const [one, two] = [await _enqueue(), await _enqueue()];
    const [job] = await worker.take({ worker: "w-1" });
    expect(job).toMatchObject({
      id: one,
      type: "test.resize",
      queue: "images",
      tenant: "default",
      data: { url: "a.png", size: 100 },
      attempt: 1,
      maxAttempts: 2,
    });
    expect((await _get(one)).state).toBe("active");
    const { id, lease } = job!;
    const { body } = await worker.call("finish", {
      results: [{ id, lease, ..._completed }],
      take: { queues: ["images"], max: 10, worker: "w-1" },
    });
    expect(body.results).toEqual([{ id, outcome: "settled", job: "completed" }]);
    expect(body.jobs.map(({ id: next }: { id: string }) => next)).toEqual([two]);
    expect(await _get(one)).toMatchObject({
      status: "completed",
      result: { width: 5 },
      attempts: { made: 1 },
      history: [],
    });
    const row =
      await stores.sql`select worker, started_at, duration_ms from jobs where id = ${one}`;
    expect(row[0]).toMatchObject({ worker: "w-1", started_at: expect.any(Date) });
    expect(await stores.redis.exists(jobKey(stores.prefix, "images", one))).toBe(0);

    expect((await worker.finish(job!, _completed)).outcome).toBe("already-settled");
    expect(await _createWorker(other).finish(job!, { outcome: "released" })).toEqual({
      id,
      outcome: "already-settled",
    });
  });

  test("that lost its lease to another worker cannot finish the job", async () => {
    const id = await _enqueue();
    const [lost] = await worker.take({ worker: "slow" });
    // The lease has expired, and BullMQ's check has returned the job to the queue.
    await stores.redis.del(lockKey(stores.prefix, "images", id));
    const { active, wait } = queueKeys(stores.prefix, "images");
    await stores.redis.rpoplpush(active, wait);
    expect((await worker.finish(lost!, _completed)).outcome).toBe("lease-lost");
    const [job] = await _createWorker(other).take({ worker: "fast" });
    expect(job!.id).toBe(id);
    expect((await worker.finish(lost!, _completed)).outcome).toBe("lease-lost");
    expect(
      (await worker.finish(lost!, { outcome: "failed", error: { message: "x" } })).outcome,
    ).toBe("lease-lost");
    expect(await worker.extend(lost!)).toEqual({ id, lost: true });
    expect((await _get(id)).status).toBe("pending");
    expect((await worker.finish(job!, _completed)).outcome).toBe("settled");
  });

  test("cannot finish a job with another lease, queue or id", async () => {
    const id = await _enqueue();
    const [job] = await worker.take();
    const forged = [
      job!.lease.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      job!.lease.replace("images", "mixed"),
      job!.lease.replace("images", "handled"),
      job!.lease.replace("/0/", "/1/"),
      "nonsense",
      "",
    ];
    for (const lease of forged) {
      expect((await worker.finish({ ...job!, lease }, _completed)).outcome).toBe("lease-lost");
    }
    for (const wrong of ["nonsense", crypto.randomUUID()]) {
      const answer = await worker.finish({ ...job!, id: wrong }, _completed);
      expect(answer.outcome).toBe("lease-lost");
    }
    expect((await _get(id)).status).toBe("pending");
  });

  test("gets pointers into an invalid result, and the attempt has failed", async () => {
    const id = await _enqueue();
    const [job] = await worker.take();
    expect(await worker.finish(job!, { outcome: "completed", result: { width: "wide" } })).toEqual({
      id,
      outcome: "invalid-result",
      job: "retried",
      errors: [{ pointer: "/results/0/result/width", detail: expect.any(String) }],
    });
    const [again] = await worker.take({ waitMs: 10_000 });
    expect(again).toMatchObject({ id, attempt: 2 });
    expect(await worker.finish(again!, { outcome: "completed" })).toMatchObject({
      outcome: "invalid-result",
      job: "dead",
    });
    const dead = await _get(id);
    expect(dead).toMatchObject({ status: "dead", error: { name: "InvalidResult" } });
    expect(dead.attempts.made).toBe(2);
  });

  test("that fails a job follows its retry policy, and its history names the workers", async () => {
    const id = await _enqueue();
    const [job] = await worker.take({ worker: "w-1" });
    const error = { name: "Oops", message: "broken\u0001", stack: "at a" };
    expect(await worker.finish(job!, { outcome: "failed", error })).toEqual({
      id,
      outcome: "settled",
      job: "retried",
    });
    const [again] = await worker.take({ worker: "w-2", waitMs: 10_000 });
    expect(await worker.finish(again!, { outcome: "failed", error: { message: "again" } })).toEqual(
      { id, outcome: "settled", job: "dead" },
    );
    const dead = await _get(id);
    expect(dead).toMatchObject({ status: "dead", error: { name: "Error", message: "again" } });
    const [row] = await stores.sql`select failures from jobs where id = ${id}`;
    expect(row!["failures"]).toMatchObject([
      { attempt: 1, name: "Oops", worker: "w-1" },
      { attempt: 2, message: "again", worker: "w-2" },
    ]);
    const letters = await producer.request("/v1/dead-letters");
    expect(letters.body.items.map((item: { id: string }) => item.id)).toEqual([id]);
    expect((await worker.finish(again!, _completed)).outcome).toBe("already-settled");
  });

  test("makes a job dead at once, delays it or releases it, without using an attempt", async () => {
    const id = await _enqueue();
    let [job] = await worker.take();
    expect((await worker.finish(job!, { outcome: "released" })).job).toBe("released");
    [job] = await worker.take();
    expect(job).toMatchObject({ id, attempt: 1 });
    const error = { message: "later" };
    const retry = { afterMs: 20 };
    expect((await worker.finish(job!, { outcome: "failed", error, retry })).job).toBe("delayed");
    // Waits until the delayed job is due.
    [job] = await worker.take({ waitMs: 10_000 });
    expect(job).toMatchObject({ id, attempt: 1 });
    const never = { outcome: "failed", error: { message: "no" }, retry: false };
    expect((await worker.finish(job!, never)).job).toBe("dead");
    expect((await _get(id)).attempts.made).toBe(1);
  });

  test("learns that a job was cancelled, and cannot complete it", async () => {
    const id = await _enqueue();
    const [job] = await worker.take();
    expect(await worker.extend(job!)).toEqual({ id, leaseUntil: expect.any(String) });
    expect((await producer.request(`/v1/jobs/${id}`, { method: "DELETE" })).status).toBe(200);
    expect(await worker.extend(job!)).toEqual({ id, cancelled: true });
    expect((await worker.finish(job!, _completed)).outcome).toBe("already-settled");
    expect(await _get(id)).toMatchObject({ status: "cancelled", attempts: { made: 1 } });
    expect(await stores.redis.exists(jobKey(stores.prefix, "images", id))).toBe(0);
  });

  test("extends a lease up to the timeout of the job, and records progress and log lines", async () => {
    const id = await _enqueue({ timeoutMs: 60_000 });
    const [job] = await worker.take({ leaseMs: 5000 });
    await worker.extend(job!, { progress: 40, log: ["one", { level: "warn", message: "two" }] });
    expect(await stores.redis.pttl(lockKey(stores.prefix, "images", id))).toBeGreaterThan(5000);
    expect((await _get(id)).progress).toBe(40);
    const { leaseUntil } = await worker.extend(job!, {}, 3_600_000);
    expect(Date.parse(leaseUntil)).toBeLessThan(Date.now() + 61_000);
    await stores.redis.hset(jobKey(stores.prefix, "images", id), "processedOn", 1);
    expect(await worker.extend(job!)).toEqual({ id, lost: true });
    const [again] = await worker.take({ waitMs: 10_000 });
    expect(again).toMatchObject({ id, attempt: 2 });
    await worker.finish(again!, _completed);
    const [row] = await stores.sql`select failures, log from jobs where id = ${id}`;
    expect(row!["failures"]).toMatchObject([{ attempt: 1, name: "TimedOut" }]);
    expect(row!["log"]).toMatchObject([{ message: "one" }, { level: "warn", message: "two" }]);
  });

  test("gets no expired job, no job that ended meanwhile, and no job of a paused queue", async () => {
    const expired = await _enqueue({ expiresAt: new Date(Date.now() + 60_000).toISOString() });
    const key = jobKey(stores.prefix, "images", expired);
    const opts = JSON.parse((await stores.redis.hget(key, "opts"))!);
    await stores.redis.hset(key, "opts", JSON.stringify({ ...opts, expiresAt: 1 }));
    const ended = await _enqueue();
    await stores.sql`update jobs set status = 'cancelled', settled_at = now() where id = ${ended}`;
    expect(await worker.take({ max: 10 })).toEqual([]);
    expect((await _get(expired)).status).toBe("expired");
    const { active } = queueKeys(stores.prefix, "images");
    expect(await stores.redis.llen(active)).toBe(0);

    await _enqueue();
    expect((await producer.request("/v1/queues/images/pause", { method: "POST" })).status).toBe(
      200,
    );
    expect(await worker.take({ waitMs: 100 })).toEqual([]);
    const waiting = worker.take({ waitMs: 20_000 });
    await producer.request("/v1/queues/images/resume", { method: "POST" });
    expect(await waiting).toHaveLength(1);
  });

  test("waits for a job, also for one that another producer accepts", async () => {
    const waits = [worker.take({ waitMs: 30_000 }), _createWorker(other).take({ waitMs: 30_000 })];
    await _until(async () => (await producer.metric("toril_waiting_workers")) === 1);
    await _until(async () => (await other.metric("toril_waiting_workers")) === 1);
    const ids = [await _enqueue(), await _enqueue()];
    const taken = (await Promise.all(waits)).flat().map(({ id }) => id);
    expect(taken.toSorted()).toEqual(ids.toSorted());
  });

  test("that disconnects while it waits keeps no job", async () => {
    const gone = new AbortController();
    const url = `${producer.url.origin}/v1/worker/take`;
    const waiting = fetch(url, { ..._json({ waitMs: 30_000 }), signal: gone.signal });
    await _until(async () => (await producer.metric("toril_waiting_workers")) === 1);
    gone.abort();
    await waiting.catch(() => {});
    await _until(async () => (await producer.metric("toril_waiting_workers")) === 0);
    const id = await _enqueue();
    expect((await worker.take({ waitMs: 10_000 })).map((job) => job.id)).toEqual([id]);
  });

  test("gets decrypted secrets, which are removed from what it reports", async () => {
    const { body } = await producer.post({ type: "test.charge", data: { token: "s3cr3t-token" } });
    const [job] = await worker.take({ types: ["test.charge"] });
    expect(job!.data).toEqual({ token: "s3cr3t-token" });
    await worker.extend(job!, { progress: { at: "s3cr3t-token" }, log: "uses s3cr3t-token" });
    await worker.finish(job!, { outcome: "completed", result: { text: "s3cr3t-token" } });
    const [row] = await stores.sql`select result, log, data from jobs where id = ${body.id}`;
    expect(JSON.stringify(row)).not.toContain("s3cr3t");
    expect(row!["result"]).toEqual({ text: "[secret]" });
  });

  test("is shown with its queue and counted in the metrics", async () => {
    await _enqueue();
    const [job] = await worker.take({ worker: "visible", max: 7 });
    await _until(async () => {
      const { body } = await producer.request("/v1/queues/images");
      const found = body.workers.find(({ id }: { id: string }) => id === "visible");
      return found?.kind === "pull" && found.concurrency === 7 && found.active === 1;
    });
    await worker.finish(job!, _completed);
    const { text } = await producer.request("/metrics");
    expect(text).toMatch(
      /bullmq_jobs_processed_total\{queue="images",type="test.resize",outcome="completed"\} [1-9]/,
    );
  });
});

describe("a request of a worker is refused", () => {
  test.each([
    [{ max: 0 }, "/max"],
    [{ types: ["test.resize"], queues: ["images"] }, "/queues"],
    [{ types: ["test.handled"] }, "/types/0"],
    [{ types: ["test.resize", "missing"] }, "/types/1"],
    [{ types: ["test.first"] }, "/types/0"],
    [{ queues: ["handled"] }, "/queues/0"],
    [{ leaseMs: 5 }, "/leaseMs"],
    [{ worker: "a\u0007b" }, "/worker"],
  ])("with the selection %j", async (selection: object, pointer: string) => {
    const answer = await worker.call("take", selection);
    expect(_expectProblem(answer, "invalid-request").errors?.[0]?.pointer).toBe(pointer);
  });

  test("with results of an unknown form", async () => {
    const answer = await worker.call("finish", {
      results: [{ id: "a", lease: "b", outcome: "done" }],
    });
    expect(_expectProblem(answer, "invalid-request").errors?.[0]?.pointer).toStartWith(
      "/results/0",
    );
  });

  test("with types that leave out others of their queue, but not with all of them", async () => {
    await producer.post({ type: "test.second", data: {} });
    const jobs = await worker.take({ types: ["test.first", "test.second"] });
    expect(jobs.map(({ type }) => type)).toEqual(["test.second"]);
  });
});

test("a worker gets the jobs that it holds, although another queue cannot be read", async () => {
  await stores.clear();
  const broken = queueKeys(stores.prefix, "payments").wait;
  await stores.redis.set(broken, "not a list");
  const taken: string[] = [];
  const ids: string[] = [];
  // The queue that comes first changes with every request.
  for (let count = 0; count < 4; count += 1) {
    ids.push(await _enqueue());
    const { status, body } = await worker.call("take", { queues: ["images", "payments"], max: 5 });
    if (status === 200) taken.push(...body.jobs.map(({ id }: { id: string }) => id));
  }
  await stores.redis.del(broken);
  taken.push(...(await worker.take({ queues: ["images"], max: 5 })).map(({ id }) => id));
  expect(taken).toEqual(ids);
});

test("a response has a bounded size", async () => {
  await stores.clear();
  const job = { type: "test.resize", data: { url: "x".repeat(300_000) } };
  const bulk = await producer.bulk(Array.from({ length: 40 }, () => job));
  expect(bulk.body.counts.created).toBe(40);
  const first = await worker.take({ queues: ["images"], max: 1000 });
  expect(first.length).toBeWithin(20, 33);
  const rest = await worker.take({ queues: ["images"], max: 1000 });
  expect(first.length + rest.length).toBe(40);
});

test("a key needs the scope, and is restricted by tenant, queues and types", async () => {
  const { key } = await _issue(stores, ["jobs:work"], { queues: ["images"] });
  const foreign = await _issue(stores, ["jobs:work"], { tenant: "acme" });
  const partial = await _issue(stores, ["jobs:work"], { types: ["test.first"] });
  const reader = await _issue(stores, ["jobs:read", "jobs:write"]);
  const call = (secret: string) => _createWorker(producer, _bearer(secret));
  await _until(async () => (await call("nonsense").call("take", {})).status === 401);
  await _until(async () => (await call(key).call("take", {})).status === 200);

  _expectProblem(await call(reader.key).call("take", {}), "insufficient-scope");
  _expectProblem(await call(key).call("take", { queues: ["mixed"] }), "forbidden-resource");
  _expectProblem(await call(partial.key).call("take", { queues: ["mixed"] }), "forbidden-resource");
  _expectProblem(
    await call(foreign.key).call("take", { queues: ["images"] }),
    "forbidden-resource",
  );
  const enqueue = { type: "test.resize", data: { url: "a.png" } };
  const answer = await producer.post(enqueue, _bearer(reader.key));
  expect(answer.status).toBe(201);
  expect(await call(foreign.key).take({})).toEqual([]);
  const [job] = await call(key).take({});
  expect(job!.id).toBe(answer.body.id);
  expect((await call(foreign.key).finish(job!, _completed)).outcome).toBe("lease-lost");
  expect(await call(foreign.key).extend(job!)).toEqual({ id: job!.id, lost: true });
  expect((await call(key).finish(job!, _completed)).outcome).toBe("settled");
});

test("a type that was registered through another producer is processed by workers of its tenant alone", async () => {
  const admin = await _issue(stores, ["types:admin", "jobs:write", "jobs:read", "jobs:work"], {
    tenant: "acme",
  });
  const stranger = await _issue(stores, ["jobs:work"], { tenant: "other" });
  const headers = _bearer(admin.key);
  await _until(async () => (await producer.post({}, headers)).status === 422);
  const registration = {
    data: { type: "object" },
    result: { type: "integer" },
    queue: "acme.mail",
  };
  const put = { ..._json(registration, headers), method: "PUT" };
  expect((await other.request("/v1/job-types/mail.send", put)).status).toBe(201);
  const acme = _createWorker(producer, headers);
  expect(await acme.take({ types: ["mail.send"] })).toEqual([]);
  const answer = await producer.post({ type: "mail.send", data: { to: "a" } }, headers);
  expect(answer.status, answer.text).toBe(201);
  const foreign = _createWorker(producer, _bearer(stranger.key));
  const refused = await foreign.call("take", { queues: ["acme.mail"] });
  expect(_expectProblem(refused, "invalid-request").errors?.[0]?.pointer).toBe("/queues/0");
  const [job] = await acme.take({ waitMs: 10_000 });
  expect(job).toMatchObject({ id: answer.body.id, tenant: "acme", data: { to: "a" } });
  expect((await foreign.finish(job!, { outcome: "completed", result: 1 })).outcome).toBe(
    "lease-lost",
  );
  const invalid = await acme.finish(job!, { outcome: "completed", result: "one" });
  expect(invalid).toMatchObject({
    outcome: "invalid-result",
    errors: [{ pointer: "/results/0/result" }],
  });
});

test("secrets of a type that was registered or changed a moment ago are removed from reports to another producer", async () => {
  const scopes = ["types:admin", "jobs:write", "jobs:work"] as const;
  const headers = _bearer((await _issue(stores, [...scopes], { tenant: "secretive" })).key);
  const [near, far] = [_createWorker(other, headers), _createWorker(producer, headers)];
  const changes = Array.from({ length: 4 }, (_, index) => [
    [`secretive.new-${index}`, ["token"]] as const,
    [
      "secretive.changed",
      Array.from({ length: index }, (_one, field) => `token-${field}`),
    ] as const,
  ]);
  for (const [type, fields] of changes.flat()) {
    const secret = fields.map((field) => `/${field}`);
    const registration = { data: { type: "object" }, result: { type: "string" }, secret };
    const put = { ..._json(registration, headers), method: "PUT" };
    const { status } = await other.request(`/v1/job-types/${type}?force=true`, put);
    expect(status).toBeOneOf([200, 201]);
    const data = Object.fromEntries(fields.map((field) => [field, `s3cr3t-${field}`]));
    const { body } = await other.post({ type, data }, headers);
    const [job] = await near.take({ types: [type] });
    expect(job!.data).toEqual(data);
    // This producer may not have loaded the type or its change yet.
    const report = `uses ${Object.values(data).join()}`;
    await far.extend(job!, { progress: { report }, log: report });
    const finished = await far.finish(job!, { outcome: "completed", result: report });
    expect(finished.outcome).toBe("settled");
    const [row] = await stores.sql`select result, log, data from jobs where id = ${body.id}`;
    expect(row).toMatchObject({ result: expect.stringContaining("uses"), log: [{}] });
    expect(JSON.stringify(row)).not.toContain("s3cr3t");
  }
});

test("a change of a registered type does not end its pending jobs, and each producer knows it when a job is taken or finished", async () => {
  const scopes = ["types:admin", "jobs:write", "jobs:read", "jobs:work"] as const;
  const headers = _bearer((await _issue(stores, [...scopes], { tenant: "changing" })).key);
  const put = async (type: string, kind: string, query = "") => {
    const data = { type: "object", properties: { value: { type: kind } } };
    const body = { data, result: { type: kind }, queue: "changing.values" };
    const { status, text } = await other.request(`/v1/job-types/${type}${query}`, {
      ..._json(body, headers),
      method: "PUT",
    });
    expect(status, text).toBeOneOf([200, 201]);
  };
  const post = async (type: string, value: unknown) => {
    const { status, body, text } = await other.post({ type, data: { value } }, headers);
    expect(status, text).toBe(201);
    return body.id as string;
  };
  const [near, far] = [_createWorker(other, headers), _createWorker(producer, headers)];
  const completed = (result: unknown) => ({ outcome: "completed", result });

  await put("values.first", "string");
  const id = await post("values.first", "text");
  await put("values.first", "integer", "?force=true");
  const [old] = await near.take({ types: ["values.first"] });
  expect(old).toMatchObject({ id, data: { value: "text" }, attempt: 1 });
  expect((await near.finish(old!, completed(1))).job).toBe("completed");

  // This producer may not have loaded the second type and the change of the first one yet.
  await post("values.first", 1);
  const [first] = await far.take({ queues: ["changing.values"], waitMs: 10_000 });
  await put("values.second", "boolean");
  await post("values.second", true);
  const [second] = await far.take({ queues: ["changing.values"], waitMs: 10_000 });
  expect(second).toMatchObject({ type: "values.second", data: { value: true } });
  await put("values.second", "number", "?force=true");
  expect((await far.finish(second!, completed(0.5))).outcome).toBe("settled");
  expect((await far.finish(first!, completed("text"))).outcome).toBe("invalid-result");
});
