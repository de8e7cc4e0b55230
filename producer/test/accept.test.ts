import { afterEach, expect, test } from "bun:test";
import { TorilError } from "@toril/client";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { _echo, _expectProblem, _nothing, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

const ndjson = (text: string, query = "") =>
  producer.bulk(text, query, { "Content-Type": "application/x-ndjson" });

const hash = (id: string, queue = "default") =>
  stores.redis.hgetall(`${stores.prefix}:{${queue}}:${id}`);

test("a bulk request accepts up to 10,000 entries", async () => {
  const entries = Array.from({ length: 10_001 }, (_, n) => _echo(`${n}`));
  _expectProblem(await producer.bulk(entries), "too-many-entries");
  const lines = entries.map((entry) => JSON.stringify(entry)).join("\n");
  _expectProblem(await ndjson(lines), "too-many-entries");
  expect(await stores.count()).toEqual(_nothing);
  const answer = await producer.bulk(entries.slice(1));
  expect([answer.status, answer.body.counts]).toEqual([
    201,
    { created: 10_000, duplicate: 0, rejected: 0 },
  ]);
  expect(answer.body.results.at(-1).index).toBe(9999);
  expect(await stores.count()).toMatchObject({ jobs: 10_000, dispatched: 10_000 });
});

test("a bulk request without entries is refused", async () => {
  _expectProblem(await producer.bulk([]), "empty-body");
  _expectProblem(await ndjson("\n \n"), "empty-body");
  for (const value of [{}, null, 5, "x"]) {
    _expectProblem(await producer.bulk(JSON.stringify(value)), "invalid-json");
  }
  expect(await stores.count()).toEqual(_nothing);
});

test("one invalid entry rejects the whole bulk, and the response lists every invalid entry", async () => {
  const answer = await producer.bulk([_echo("a"), {}, _echo("b", { delayMs: -1 }), _echo("c")]);
  _expectProblem(answer, "invalid-bulk");
  expect(answer.body.counts).toEqual({ created: 0, duplicate: 0, rejected: 2 });
  expect(answer.body.results.map((entry: { index: number }) => entry.index)).toEqual([1, 2]);
  expect(await stores.count()).toEqual(_nothing);
});

test("a partial bulk stores the valid entries and reports the invalid ones by index", async () => {
  await producer.post(_echo("x", { key: "existing" }));
  const answer = await producer.bulk(
    [
      _echo("a", { key: "new" }),
      { type: "nope" },
      _echo("b", { key: "existing" }),
      _echo("c", { key: "new" }),
      _echo("x".repeat(1_000_000)),
      _echo("d"),
    ],
    "?atomicity=partial",
  );
  expect([answer.status, answer.body.counts]).toEqual([
    207,
    { created: 2, duplicate: 2, rejected: 2 },
  ]);
  const { results } = answer.body;
  expect(results.map((entry: { outcome: string }) => entry.outcome)).toEqual([
    "created",
    "rejected",
    "duplicate",
    "duplicate",
    "rejected",
    "created",
  ]);
  expect(results[3].id).toBe(results[0].id);
  expect([results[1].problem.type, results[4].problem.type]).toEqual([
    "urn:toril:problem:job-type-not-found",
    "urn:toril:problem:data-too-large",
  ]);
  expect(await stores.count()).toMatchObject({ jobs: 3, dispatched: 3 });
});

test("NDJSON has one job per line, and an invalid line is one rejected entry", async () => {
  const line = JSON.stringify(_echo("a"));
  const text = [`${line}\r`, "", '{"type":', '"\\u0000"', line].join("\n");
  const partial = await ndjson(text, "?atomicity=partial");
  expect([partial.status, partial.body.counts]).toEqual([
    207,
    { created: 2, duplicate: 0, rejected: 2 },
  ]);
  expect(
    partial.body.results
      .slice(1, 3)
      .map((entry: { problem: { type: string } }) => entry.problem.type),
  ).toEqual(["urn:toril:problem:invalid-json", "urn:toril:problem:unstorable-json"]);
  _expectProblem(await ndjson(text), "invalid-bulk");
  expect((await ndjson(line)).status).toBe(201);
  expect(await stores.count()).toMatchObject({ jobs: 3, dispatched: 3 });
});

test("with atomicity=all a duplicate is not an error", async () => {
  const answer = await producer.bulk([_echo("a", { key: "k" }), _echo("b", { key: "k" })]);
  expect([answer.status, answer.body.counts]).toEqual([
    201,
    { created: 1, duplicate: 1, rejected: 0 },
  ]);
});

test("an accepted job is in Postgres and in Redis and can be read", async () => {
  const answer = await producer.post(_echo("hello \u{1F402}", { attempts: 5, key: "k" }), {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  });
  expect([answer.status, answer.headers.get("location")]).toEqual([
    201,
    `/v1/jobs/${answer.body.id}`,
  ]);
  expect(answer.body).toMatchObject({
    type: "echo",
    queue: "default",
    status: "pending",
    runAt: null,
  });
  expect(await producer.client.getJob(answer.body.id)).toEqual({
    id: answer.body.id,
    type: "echo",
    queue: "default",
    key: "k",
    labels: [],
    priority: null,
    importId: null,
    schedule: null,
    backoff: { type: "exponential", delay: 1000 },
    timeoutMs: null,
    order: "fifo",
    callbackUrl: null,
    parent: null,
    status: "pending",
    state: "waiting",
    data: { message: "hello \u{1F402}" },
    result: null,
    error: null,
    attempts: { made: 0, max: 5 },
    progress: null,
    createdAt: answer.body.createdAt,
    runAt: null,
    expiresAt: null,
    settledAt: null,
    dispatchedAt: expect.any(String),
    startedAt: null,
    position: 1,
    estimatedStartAt: null,
    children: null,
    attemptHistory: [],
    failures: [],
    log: [],
    history: [],
  });
  const { name, data, opts = "{}" } = await hash(answer.body.id);
  expect([name, JSON.parse(data!)]).toEqual(["echo", { message: "hello \u{1F402}" }]);
  expect(JSON.parse(opts)).toMatchObject({ attempts: 5, tm: expect.stringContaining("0af76519") });
});

test("values at their limit are accepted", async () => {
  const limits = [
    _echo("a", { key: "k".repeat(255) }),
    _echo("a", { key: "字".repeat(255) }),
    _echo("a", { attempts: 100 }),
    _echo("a", { delayMs: 365 * 86_400_000 }),
    _echo("a", { delayMs: 0 }),
    _echo("x".repeat(1_000_000 - '{"message":""}'.length)),
    _echo(""),
  ];
  for (const job of limits) expect((await producer.post(job)).status).toBe(201);
  const headers = { "Idempotency-Key": "k".repeat(255) };
  expect((await producer.post(_echo(), headers)).status).toBe(201);
  const spellings = ["application/json ; charset=utf-8", "APPLICATION/JSON", "application/json;"];
  for (const spelling of spellings) {
    expect((await producer.post(_echo(), { "Content-Type": spelling })).status).toBe(201);
  }
});

test("names of Object.prototype are ordinary names", async () => {
  const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
  const values = { constructor: "a", toString: "b", hasOwnProperty: "c", "": "d" };
  const { body } = await producer.post({ type: "row.import", data: { importId, row: 1, values } });
  expect((await producer.client.getJob(body.id)).data).toEqual({ importId, row: 1, values });
});

test("a delayed job shows when it becomes due", async () => {
  const { body } = await producer.post(_echo("a", { delayMs: 3_600_000 }));
  const job = await producer.client.getJob(body.id);
  expect([job.state, job.runAt]).toEqual(["delayed", body.runAt]);
  expect(Date.parse(body.runAt) - Date.parse(job.createdAt)).toBeWithin(3_500_000, 3_700_000);
});

test("a settled job shows its outcome", async () => {
  const { body } = await producer.post(_echo());
  const error = { name: "Error", message: "no", stack: "Error: no" };
  await stores.sql`
    update jobs set status = 'dead', attempts = 3, error = ${stores.sql.json(error)}, settled_at = now()`;
  expect(await producer.client.getJob(body.id)).toMatchObject({
    status: "dead",
    state: null,
    error,
    attempts: { made: 3, max: 3 },
    settledAt: expect.any(String),
  });
});

test("a pending job that is missing in Redis is undispatched", async () => {
  const { body } = await producer.post(_echo());
  await stores.redis.del(`${stores.prefix}:{default}:${body.id}`);
  expect((await producer.client.getJob(body.id)).state).toBe("undispatched");
});

test("a hundred concurrent requests create a hundred jobs", async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => producer.post(_echo(`${n}`))),
  );
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(100);
  expect(await stores.count()).toMatchObject({ jobs: 100, dispatched: 100 });
});

test("the typed client enqueues, and throws problems", async () => {
  const { client } = producer;
  const job: JobRequest = { type: "echo", data: { message: "a" }, key: "k" };
  const made = await client.createJob(job, { idempotencyKey: "1" });
  expect((await client.createJob(job, { idempotencyKey: "1" })).id).toBe(made.id);
  expect((await client.createJobs([job, job], { atomicity: "all" })).counts.duplicate).toBe(2);
  const refusal = await client.getJob(made.id.replace(/^0/, "f")).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(TorilError);
  expect((refusal as TorilError).problem.status).toBe(404);
});
