import { afterEach, describe, expect, test } from "bun:test";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _openProducer, _startProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.sql`delete from api_keys`;
  await stores.clear();
});

const cancelAll = { action: "cancel", filter: { type: "echo" } } as const;
const _create = (body: unknown, headers = {}) =>
  producer.request("/v1/operations", _json(body, headers));
const _stop = (id: string) => producer.request(`/v1/operations/${id}/stop`, { method: "POST" });

describe("an operation is refused:", () => {
  test.each([
    ["nothing", {}, "/action"],
    ["an action that is none", { action: "run", filter: {} }, "/action"],
    ["an unknown filter", { action: "cancel", filter: { colour: "red" } }, "/filter/colour"],
    ["an unknown type", { action: "cancel", filter: { type: "nope" } }, "/filter/type"],
    ["no filter", { action: "cancel" }, "/filter"],
    [
      "a status that it is not for",
      { action: "cancel", filter: { status: "dead" } },
      "/filter/status",
    ],
    ["an empty filter without all", { action: "cancel", filter: {} }, "/all"],
    ["a status alone without all", { action: "retry", filter: { status: "dead" } }, "/all"],
    ["all beside a filter", { ...cancelAll, all: true }, "/all"],
    ["a rate of nothing", { ...cancelAll, ratePerSecond: 0 }, "/ratePerSecond"],
    [
      "a time that is none",
      { action: "cancel", filter: { createdAfter: "today" } },
      "/filter/createdAfter",
    ],
  ])("%s", async (_, body, pointer) => {
    const problem = _expectProblem(await _create(body), "invalid-operation");
    expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    expect((await producer.client.listOperations()).items).toEqual([]);
  });

  test.each([
    ["", "empty-body"],
    ["{", "invalid-json"],
    ['{"action":"cancel","filter":{"key":"\\u0000"}}', "unstorable-json"],
  ] as const)("%s", async (body, kind) => {
    _expectProblem(await _create(body), kind);
  });
});

test("an empty filter requires `all` unless it is a dry run", async () => {
  await producer.post(_echo());
  const everything = { action: "cancel", filter: {} };
  expect((await _create({ ...everything, dryRun: true })).body.matches).toBe(1);
  const made = await _create({ ...everything, all: true });
  expect(made).toMatchObject({ status: 202, body: { filter: {} } });
});

test("concurrent requests do not exceed the open operations of a tenant", async () => {
  const narrow = await _startProducer(stores, { MAX_OPERATIONS: "2" });
  try {
    const create = () => narrow.request("/v1/operations", _json(cancelAll));
    await stores.sql`
      insert into operations (id, tenant, action, filter, restrictions)
      select gen_random_uuid(), 'other', 'cancel', '{}', '{}' from generate_series(1, 3)`;
    const answers = await Promise.all(Array.from({ length: 6 }, create));
    const [first, ...made] = answers.filter(({ status }) => status === 202);
    expect(made).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 202)) {
      _expectProblem(answer, "too-many-operations");
    }
    await narrow.request(`/v1/operations/${first!.body.id}/stop`, { method: "POST" });
    expect((await create()).status).toBe(202);
  } finally {
    await narrow.close();
  }
});

test("a dry run returns the number of matches and creates nothing", async () => {
  await producer.post(_echo());
  await producer.post(_echo());
  expect(await producer.client.previewOperation(cancelAll)).toMatchObject({ matches: 2 });
  expect((await producer.client.listOperations()).items).toEqual([]);
});

test("a pending operation is stopped at once, and a completed one cannot be stopped", async () => {
  const { id } = await producer.client.createOperation(cancelAll);
  expect((await producer.client.stopOperation(id)).status).toBe("stopped");
  expect((await _stop(id)).body.status).toBe("stopped");
  for (const status of ["done", "failed"]) {
    await stores.sql`update operations set status = ${status}, ended_at = now() where id = ${id}`;
    _expectProblem(await _stop(id), "operation-ended");
  }
  _expectProblem(await _stop("019c2f1e-7b1a-7c3d-8a4e-5f6071829304"), "operation-not-found");
});

test("the operations of the tenant are listed newest first, in pages", async () => {
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) ids.push((await _create(cancelAll)).body.id);
  const first = await producer.client.listOperations({ limit: 2 });
  const second = await producer.client.listOperations({ limit: 2, cursor: first.next! });
  expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids.toReversed());
  expect(second.next).toBeNull();

  const { key } = await _issue(stores, ["jobs:read"], { tenant: "other" });
  const headers = _bearer(key);
  const others = await producer.request("/v1/operations", { headers });
  expect(others.body.items).toEqual([]);
  const answer = await producer.request(`/v1/operations/${ids[0]}`, { headers });
  _expectProblem(answer, "operation-not-found");
});
