import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Scope } from "@toril/contract/api/access/scope";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let producer: _Producer;
/**
 * Keys: `whole` may access its whole tenant, `echoOnly` only `echo` jobs and not read them, `writeOnly` may write only.
 */
let whole: string;
let echoOnly: string;
let writeOnly: string;

beforeAll(async () => {
  stores = await _openStores();
  producer = await _startProducer(stores);
  const issue = async (scopes: Scope[], more = {}) => (await _issue(stores, scopes, more)).key;
  whole = await issue(["jobs:read", "jobs:write"]);
  echoOnly = await issue(["jobs:write"], { types: ["echo"] });
  writeOnly = await issue(["jobs:write"]);
});
afterEach(async () => {
  await stores.sql`delete from schedules`;
  await stores.clear();
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

const as = (key: string, path: string, init: RequestInit = {}) =>
  producer.request(path, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), ..._bearer(key) },
  });
const post = (key: string, path: string, body?: unknown, headers = {}) =>
  as(key, path, body === undefined ? { method: "POST", headers } : _json(body, headers));
const fetchFeed = { type: "feed.fetch", data: { url: "http://secret.example/" } };

async function _end(status: string) {
  await stores.sql`
    update jobs set status = ${status}, settled_at = now(), reason = 'Error: secret',
      error = '{"name":"Error","message":"secret"}', result = '{"secret":1}'`;
}

test("concurrent jobs of two tenants with the same type and key are independent", async () => {
  const tenants = await Promise.all(
    ["one", "two"].map(async (tenant) => (await _issue(stores, ["jobs:write"], { tenant })).key),
  );
  const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
  const enqueue = () =>
    Promise.all(
      keys.flatMap((key) => {
        const body = _echo("a", { key, keyPolicy: { type: "once", windowMs: 3_600_000 } });
        return tenants.map((tenant) => post(tenant, "/v1/jobs", body));
      }),
    );
  const first = await enqueue();
  expect(new Set(first.map(({ body }) => body.outcome))).toEqual(new Set(["created"]));
  await stores.sql`update jobs set status = 'completed', settled_at = now()`;
  const repeated = await enqueue();
  expect(repeated.map(({ body }) => [body.outcome, body.id])).toEqual(
    first.map(({ body }) => ["duplicate", body.id]),
  );
});

describe("the stored response of another key", () => {
  const headers = { "Idempotency-Key": "one" };

  async function expectNothing(path: string, body?: unknown) {
    const first = await post(whole, path, body, headers);
    expect(first.status).toBeOneOf([200, 201, 202]);
    for (const key of [echoOnly, writeOnly]) {
      const answer = await post(key, path, body, headers);
      expect(answer.status).toBeOneOf([403, 422]);
      expect(answer.text).not.toContain("secret");
    }
    const again = await post(whole, path, body, headers);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  }

  test("is not replayed to a key without access to the job", async () => {
    const { id } = (await post(whole, "/v1/jobs", fetchFeed)).body;
    await _end("dead");
    await expectNothing(`/v1/jobs/${id}/retry`);
    await _end("dead");
    await stores.sql`delete from idempotency_keys`;
    await expectNothing(`/v1/dead-letters/${id}/redrive`);
  });

  test("is not replayed to a key without access to the schedule or the operation", async () => {
    const schedule = { everyMs: 3_600_000, job: fetchFeed };
    await as(whole, "/v1/schedules/feed", { ..._json(schedule), method: "PUT" });
    await expectNothing("/v1/schedules/feed/pause");
    await stores.sql`delete from idempotency_keys`;
    await expectNothing("/v1/operations", { action: "cancel", filter: { label: "secret" } });
  });
});

test("a key without jobs:read changes jobs and schedules, and their data is redacted", async () => {
  const ids: string[] = [];
  for (const more of [{}, { delayMs: 60_000 }, { delayMs: 60_000 }, {}, {}, {}]) {
    ids.push((await post(whole, "/v1/jobs", { ...fetchFeed, ...more })).body.id);
  }
  const [waiting, delayed, promoted, ...ended] = ids;
  await stores.sql`
    update jobs set status = 'dead', settled_at = now(), reason = 'Error: secret',
      error = '{"name":"Error","message":"secret"}', result = '{"secret":1}'
    where id in ${stores.sql(ended)}`;
  await as(whole, "/v1/schedules/a", {
    ..._json({ everyMs: 3_600_000, job: fetchFeed }),
    method: "PUT",
  });
  const patch = { ..._json({ delayMs: 1 }, { "If-Match": "*" }), method: "PATCH" };
  for (const [path, init] of [
    [`/v1/jobs/${waiting}`, { method: "DELETE" }],
    [`/v1/jobs/${delayed}`, patch],
    [`/v1/jobs/${promoted}/promote`, { method: "POST" }],
    [`/v1/jobs/${ended[0]}/retry`, { method: "POST" }],
    [`/v1/dead-letters/${ended[1]}/redrive`, { method: "POST" }],
    [`/v1/dead-letters/${ended[2]}`, { method: "DELETE" }],
    ["/v1/schedules/a/pause", { method: "POST" }],
    ["/v1/schedules/a/resume", { method: "POST" }],
    ["/v1/schedules/a", { method: "DELETE" }],
  ] as const) {
    const answer = await as(writeOnly, path, init);
    expect(answer.status, `${path}: ${answer.text}`).toBeOneOf([200, 202]);
    expect(answer.text).not.toContain("secret");
  }
});

test("a key sees and stops only operations whose jobs it may all see", async () => {
  const { key: echoes } = await _issue(stores, ["jobs:read", "jobs:write"], { types: ["echo"] });
  const { key: defaults } = await _issue(stores, ["jobs:read", "jobs:write"], {
    queues: ["default"],
  });
  async function create(key: string, filter: object): Promise<string> {
    const all = Object.keys(filter).length === 0 ? { all: true } : {};
    const answer = await post(key, "/v1/operations", { action: "cancel", filter, ...all });
    expect(answer.status, answer.text).toBe(202);
    return answer.body.id;
  }
  const hidden = [
    await create(whole, {}),
    await create(whole, { label: "a" }),
    await create(whole, { type: "feed.fetch" }),
    await create(whole, { queue: "feeds" }),
  ];
  const seen = [
    await create(whole, { type: "echo" }),
    await create(whole, { queue: "default" }),
    await create(echoes, {}),
    await create(defaults, { label: "a" }),
  ];
  for (const key of [echoes, defaults]) {
    const { items } = (await as(key, "/v1/operations")).body;
    expect(items.map(({ id }: { id: string }) => id)).toEqual(seen.toReversed());
    for (const id of hidden) {
      _expectProblem(await as(key, `/v1/operations/${id}`), "forbidden-resource");
      _expectProblem(await post(key, `/v1/operations/${id}/stop`), "forbidden-resource");
    }
  }
  const open = await stores.sql`select id from operations where status = 'pending' order by id`;
  expect(open.map(({ id }) => id)).toEqual([...hidden, ...seen]);
  for (const [at, id] of seen.entries()) {
    const key = [echoes, defaults][at % 2]!;
    expect((await as(key, `/v1/operations/${id}`)).status).toBe(200);
    expect((await post(key, `/v1/operations/${id}/stop`)).body.status).toBe("stopped");
  }
});
