import { afterEach, expect, test } from "bun:test";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.sql`delete from schedules`;
});

const nightly = { cron: "30 2 * * *", job: _echo("good night") };
const at = (name: string) => `/v1/schedules/${name}`;
const as = (key: string, path: string, init: RequestInit = {}) =>
  producer.request(path, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), ..._bearer(key) },
  });
const scopes = ["jobs:read", "jobs:write"] as const;
const operations = [
  ["", "GET"],
  ["/preview", "GET"],
  ["/pause", "POST"],
  ["/resume", "POST"],
  ["/run", "POST"],
  ["", "DELETE"],
] as const;

test("a tenant sees and changes only its own schedules", async () => {
  const [one, two] = await Promise.all(
    ["one", "two"].map(async (tenant) => (await _issue(stores, [...scopes], { tenant })).key),
  );
  const putting = { ..._json(nightly), method: "PUT" };
  expect((await as(one!, at("same"), putting)).status).toBe(201);
  for (const [path, method] of operations) {
    _expectProblem(await as(two!, at("same") + path, { method }), "schedule-not-found");
  }
  expect((await as(two!, "/v1/schedules")).body.items).toEqual([]);
  expect((await as(two!, at("same"), putting)).status).toBe(201);
  await as(two!, at("same"), { method: "DELETE" });
  expect((await as(one!, "/v1/schedules")).body.items).toHaveLength(1);
});

test("a restricted key has no access to schedules of other types or queues", async () => {
  const { key: all } = await _issue(stores, [...scopes]);
  const { key: few } = await _issue(stores, [...scopes], { types: ["echo"] });
  const rows = { everyMs: 1000, job: { type: "feed.fetch", data: { url: "http://a.example" } } };
  await as(all, at("rows"), { ..._json(rows), method: "PUT" });
  for (const [path, method] of operations) {
    _expectProblem(await as(few, at("rows") + path, { method }), "forbidden-resource");
  }
  for (const definition of [rows, nightly]) {
    const answer = await as(few, at("rows"), { ..._json(definition), method: "PUT" });
    _expectProblem(answer, "forbidden-resource");
  }
  await as(few, at("mine"), { ..._json(nightly), method: "PUT" });
  const { items } = (await as(few, "/v1/schedules")).body;
  expect(items.map(({ name }: { name: string }) => name)).toEqual(["mine"]);
  expect((await as(all, at("rows"))).body).toMatchObject({ version: 1, paused: false });
});

test("reading requires jobs:read, changing jobs:write, and run now counts for quotas", async () => {
  const { key: reader } = await _issue(stores, ["jobs:read"]);
  const quotas = { rate: 1, burst: 1 };
  const { key: writer } = await _issue(stores, ["jobs:write"], { quotas });
  const putting = { ..._json(nightly), method: "PUT" };
  _expectProblem(await as(reader, at("a"), putting), "insufficient-scope");
  expect((await as(writer, at("a"), putting)).status).toBe(201);
  expect((await stores.sql`select quota_key from schedules`)[0]!["quota_key"]).toMatch(/^\w+$/);
  _expectProblem(await as(writer, at("a")), "insufficient-scope");
  expect((await as(reader, "/v1/schedules/preview", _json(nightly))).status).toBe(200);
  expect((await as(writer, `${at("a")}/run`, { method: "POST" })).status).toBe(201);
  _expectProblem(await as(writer, `${at("a")}/run`, { method: "POST" }), "quota-exceeded");
});
