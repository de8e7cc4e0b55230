import { afterEach, expect, test } from "bun:test";
import { toDeadLetterReason } from "@toril/contract/engine/jobs/change/reason";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.sql`delete from api_keys`;
  await stores.clear();
});

/** Enqueues a job and settles it as dead, as a worker does. */
async function _die(message: string, more: object = {}): Promise<string> {
  const { body } = await producer.post(_echo("a", more));
  const error = { name: "Error", message, stack: `Error: ${message}\n    at here` };
  await stores.sql`
    update jobs set status = 'dead', attempts = 3, error = ${JSON.stringify(error)}::text::jsonb,
      reason = ${toDeadLetterReason(error)}, settled_at = now()
    where id = ${body.id}`;
  const { wait, failed } = queueKeys(stores.prefix, "default");
  await stores.redis.lrem(wait, 1, body.id);
  await stores.redis.zadd(failed, Date.now(), body.id);
  return body.id;
}

const _list = (query: object) =>
  producer.client.listDeadLetters(query).then(({ items }) => items.map(({ id }) => id));

test("dead letters are listed newest first, in pages, by type, queue, reason and label", async () => {
  const [one, two, three] = [
    await _die("no order 17"),
    await _die("no order 18", { labels: ["nightly"] }),
    await _die("timeout"),
  ];
  await producer.post(_echo("alive"));

  expect(await _list({})).toEqual([three, two, one]);
  const page = await producer.client.listDeadLetters({ limit: 2 });
  expect(await _list({ limit: 2, cursor: page.next! })).toEqual([one]);
  expect(await _list({ reason: "Error: no order #" })).toEqual([two, one]);
  expect(await _list({ label: "nightly", queue: "default", type: "echo" })).toEqual([two]);
  expect(await _list({ type: "row.import" })).toEqual([]);
  expect(page.items[0]).toMatchObject({
    reason: "Error: timeout",
    error: { name: "Error", message: "timeout", stack: "Error: timeout\n    at here" },
    attempts: { made: 3, max: 3 },
  });
});

test("a dead letter shows its data and its earlier outcomes", async () => {
  const id = await _die("first");
  await producer.client.redriveDeadLetter(id);
  _expectProblem(await producer.request(`/v1/dead-letters/${id}`), "dead-letter-not-found");
  await stores.sql`update jobs set status = 'dead', settled_at = now() where id = ${id}`;

  expect(await producer.client.getDeadLetter(id)).toMatchObject({
    data: { message: "a" },
    reason: null,
    history: [{ generation: 0, status: "dead", attempts: 3, error: { message: "first" } }],
  });
});

test("redriving one dead letter returns 202, or 409 if its key is taken", async () => {
  const id = await _die("no", { key: "k" });
  await producer.post(_echo("b", { key: "k" }));
  const redrive = () => producer.request(`/v1/dead-letters/${id}/redrive`, { method: "POST" });

  _expectProblem(await redrive(), "key-taken");
  await stores.sql`delete from jobs where status = 'pending'`;
  const answer = await redrive();
  expect(answer).toMatchObject({ status: 202, body: { status: "pending", state: "waiting" } });
  expect(await stores.redis.zcard(queueKeys(stores.prefix, "default").failed)).toBe(0);
  _expectProblem(await redrive(), "dead-letter-not-found");
});

test("redriving many reports each outcome; of two with the same key one is redriven", async () => {
  const ids = [await _die("a", { key: "k" }), await _die("b"), await _die("c", { key: "k" })];
  const alive = (await producer.post(_echo())).body.id;

  const { counts, results } = await producer.client.redriveDeadLetters([...ids, alive, ids[0]!]);

  expect(counts).toEqual({ redriven: 2, rejected: 2 });
  expect(results.map(({ outcome }) => outcome)).toEqual([
    "key-taken",
    "redriven",
    "redriven",
    "not-found",
  ]);
});

test("redriving by filter creates an operation", async () => {
  await _die("a", { labels: ["x"] });
  await _die("b");
  const post = (body: object) => producer.request("/v1/dead-letters/redrive", _json(body));

  expect((await post({ filter: { label: "x" }, dryRun: true })).body).toEqual({
    dryRun: true,
    matches: 1,
    isExact: true,
  });
  const made = await post({ filter: { label: "x" }, ratePerSecond: 5 });
  expect(made).toMatchObject({ status: 202, body: { action: "retry", status: "pending" } });
  expect(made.headers.get("location")).toBe(`/v1/operations/${made.body.id}`);
  for (const refused of [
    {},
    { ids: [] },
    { filter: {} },
    { filter: { label: "x" }, all: true },
    { ids: [made.body.id], all: true },
  ]) {
    _expectProblem(await post(refused), "invalid-operation");
  }
  for (const all of [{ filter: {}, all: true }, { all: true }]) {
    expect((await post(all)).body).toMatchObject({ action: "retry", filter: {} });
  }
  _expectProblem(await post({ filter: { status: "completed" } }), "invalid-operation");
});

test("deleting a dead letter removes it from Postgres and Redis", async () => {
  const id = await _die("a", { labels: ["x"] });

  expect(await producer.client.deleteDeadLetter(id)).toMatchObject({ id, reason: "Error: a" });

  _expectProblem(await producer.request(`/v1/jobs/${id}`), "job-not-found");
  expect(await stores.sql`select from job_terms`).toHaveLength(0);
  expect(await stores.redis.zcard(queueKeys(stores.prefix, "default").failed)).toBe(0);
});

test("dead letters are counted by type and reason", async () => {
  for (const message of ["no order 1", "no order 2", "timeout"]) await _die(message);
  const id = await _die("anything");
  await stores.sql`update jobs set reason = null where id = ${id}`;

  expect((await producer.client.summarizeDeadLetters()).groups).toEqual([
    { type: "echo", reason: "Error: no order #", count: 2, isExact: true },
    { type: "echo", reason: "Error: timeout", count: 1, isExact: true },
    { type: "echo", reason: null, count: 1, isExact: true },
  ]);
});

test("a key restricted to other types neither sees nor changes dead letters", async () => {
  const id = await _die("a");
  const { key } = await _issue(stores, ["jobs:read", "jobs:write"], { types: ["row.import"] });
  const ask = (path: string, init: RequestInit = {}) =>
    producer.request(`/v1/dead-letters${path}`, {
      ...init,
      headers: { ..._bearer(key), ...(init.headers as object) },
    });

  expect((await ask("")).body.items).toEqual([]);
  expect((await ask("/summary")).body.groups).toEqual([]);
  _expectProblem(await ask(`/${id}`), "forbidden-resource");
  _expectProblem(await ask(`/${id}`, { method: "DELETE" }), "forbidden-resource");
  _expectProblem(await ask(`/${id}/redrive`, { method: "POST" }), "forbidden-resource");
  expect((await ask("/redrive", _json({ ids: [id] }))).body.counts.redriven).toBe(0);
  expect((await ask("/redrive", _json({ filter: {}, dryRun: true }))).body.matches).toBe(0);
});
