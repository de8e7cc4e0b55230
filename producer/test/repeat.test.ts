import { afterAll, afterEach, expect, test } from "bun:test";
import { buildOpenApi } from "@toril/contract/openapi";
import { _echo, _expectProblem, _json, _openStores, _startProducer } from "./_producer.ts";

const stores = await _openStores();
const producer = await _startProducer(stores);

afterEach(async () => {
  await stores.clear();
  await stores.sql`truncate operations`;
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const key = { "Idempotency-Key": "order-1042" };

test("every POST takes an Idempotency-Key, as the document says", () => {
  const posts = Object.values(buildOpenApi("test").paths ?? {}).flatMap((path) => path?.post ?? []);
  expect(posts.length).toBeGreaterThan(15);
  for (const { operationId, parameters = [] } of posts) {
    const names = parameters.map((parameter) => ("name" in parameter ? parameter.name : ""));
    expect(names, operationId).toContain("idempotency-key");
  }
});

test("a retry that is repeated is one, and answers as the first did", async () => {
  const { body } = await producer.post(_echo());
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const retry = () =>
    producer.request(`/v1/jobs/${body.id}/retry`, { method: "POST", headers: key });
  const first = await retry();
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([202, null]);
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  const again = await retry();
  expect([again.status, again.text]).toEqual([202, first.text]);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(again.headers.get("location")).toBe(first.headers.get("location"));
  expect([...(await stores.sql`select run, status from jobs`)]).toEqual([
    { run: 1, status: "dead" },
  ]);
});

test("an operation that is asked for twice at once is one", async () => {
  const request = _json({ action: "cancel", filter: { label: "red" } }, key);
  const answers = await Promise.all(
    [1, 2, 3].map(() => producer.request("/v1/operations", request)),
  );
  expect(new Set(answers.map(({ status }) => status)).difference(new Set([202, 409])).size).toBe(0);
  const again = await producer.request("/v1/operations", request);
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(await stores.sql`select id from operations`).toHaveLength(1);
  const other = _json({ action: "cancel", filter: { label: "blue" } }, key);
  _expectProblem(await producer.request("/v1/operations", other), "idempotency-key-reused");
});

test("what was refused leaves the key free", async () => {
  const { body } = await producer.post(_echo());
  const retry = () =>
    producer.request(`/v1/jobs/${body.id}/retry`, { method: "POST", headers: key });
  _expectProblem(await retry(), "job-pending");
  await stores.sql`update jobs set status = 'dead', settled_at = now()`;
  expect((await retry()).status).toBe(202);
});
