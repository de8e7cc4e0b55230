import { beforeEach, expect, test } from "bun:test";
import { createClient } from "@toril/client";
import { _bearer, _issue } from "./_keys.ts";
import { _echo, _expectProblem, _json, _nothing, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
beforeEach(() => stores.clear());
const whole = await _issue(stores, ["jobs:write", "jobs:read", "jobs:callback"]);
const client = createClient({ baseUrl: producer.url.href, apiKey: whole.key });

interface _More {
  query?: string;
  headers?: Record<string, string>;
}

const _parameter = (then: unknown) => `then=${encodeURIComponent(JSON.stringify(then))}`;
const _ways = {
  bulk: (then: unknown, { query = "", headers = _bearer(whole.key) }: _More = {}) =>
    producer.request(
      `/v1/jobs/bulk?${_parameter(then)}${query}`,
      _json([_echo(), _echo()], headers),
    ),
  file: (then: unknown, { query = "", headers = _bearer(whole.key) }: _More = {}) =>
    producer.request(`/v1/imports?type=echo&${_parameter(then)}${query}`, {
      method: "POST",
      body: "message\na\nb\n",
      headers: { "Content-Type": "text/csv", ...headers },
    }),
  parts: (then: unknown, { query = "", headers = _bearer(whole.key) }: _More = {}) =>
    producer.request(
      "/v1/imports",
      _json({ type: "echo", then, ...(query && { dryRun: true }) }, headers),
    ),
};
const _all = Object.entries(_ways);

test.each(_all)("%s: the job waits, and a repeated request returns its id", async (name, send) => {
  const headers = { ..._bearer(whole.key), "Idempotency-Key": "k" };
  const then = _echo("then", { labels: ["report"], key: "k" });
  const first = await send(then, { headers });
  expect(first.status, first.text).toBe(201);
  const job = await client.getJob(first.body.then);
  const total = name === "parts" ? 0 : 2;
  expect(job).toMatchObject({ state: "waiting-children", labels: ["report"], key: "k" });
  expect(job.children).toMatchObject({ total, pending: total });
  const again = await send(then, { headers });
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(again.body).toEqual(first.body);
  expect((await stores.count()).jobs).toBe(total + 1);
  // The definition is readable in the ledger, data of a job may be secret.
  const stored = await stores.sql`select from imports where definition ? 'then'`;
  expect(stored).toHaveLength(0);

  _expectProblem(await send(_echo("other", { key: "k" })), "key-taken");
  expect((await stores.count()).jobs).toBe(total + 1);
});

test.each(_all)("%s: an invalid or forbidden job refuses the request", async (name, send) => {
  const invalid = name === "parts" ? "invalid-import" : "invalid-job";
  const pointer = "/then/data/message";
  expect(
    _expectProblem(await send({ type: "echo", data: {} }), invalid).errors?.map((e) => e.pointer),
  ).toEqual([pointer]);
  const unknown = name === "parts" ? "invalid-import" : "job-type-not-found";
  _expectProblem(await send({ type: "none", data: {} }), unknown);
  const elsewhere = _echo("then", { callbackUrl: "https://example.org/" });
  _expectProblem(await send(elsewhere), "invalid-job");
  expect(await stores.count()).toEqual(_nothing);

  const { key } = await _issue(stores, ["jobs:write", "jobs:read"], { types: ["echo"] });
  const headers = _bearer(key);
  const fetchFeed = { type: "feed.fetch", data: { url: "http://feed.example/" } };
  _expectProblem(await send(fetchFeed, { headers }), "forbidden-resource");
  _expectProblem(await send(elsewhere, { headers }), "insufficient-scope");
  const dry = await send(_echo("then"), { query: "&dryRun=true", headers });
  expect(dry.status).toBeOneOf([200, 201]);
  expect(dry.body.then ?? null).toBeNull();
  expect((await stores.count()).jobs).toBe(0);
});

test("the job counts for the quota, and malformed JSON of the parameter is refused", async () => {
  const quotas = { maxWaiting: 2 };
  const { key } = await _issue(stores, ["jobs:write"], { quotas });
  const headers = _bearer(key);
  _expectProblem(await _ways.bulk(_echo("then"), { headers }), "quota-exceeded");
  expect((await stores.count()).jobs).toBe(0);
  const malformed = await producer.request("/v1/jobs/bulk?then={", _json([_echo()], headers));
  _expectProblem(malformed, "invalid-parameter");
});

test("the job is dispatched at once if no entry is new", async () => {
  const taken = _echo("taken", { key: "taken" });
  expect((await producer.post(taken, _bearer(whole.key))).status).toBe(201);
  const bulk = await producer.request(
    `/v1/jobs/bulk?atomicity=partial&${_parameter(_echo("then"))}`,
    _json([taken, { type: "echo", data: {} }], _bearer(whole.key)),
  );
  expect(bulk.body.counts).toEqual({ created: 0, duplicate: 1, rejected: 1 });
  const events = await stores.sql`select parent_id as id from graph_events`;
  expect([...events]).toEqual([{ id: bulk.body.then }]);
});
