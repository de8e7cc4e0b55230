import { afterEach, expect, test } from "bun:test";
import { _bearer, _issue } from "./_keys.ts";
import { _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(async () => {
  await stores.sql`truncate api_keys, feeds, schedules`;
  await stores.clear();
});

const url = "https://example.org/feed.xml";

async function _store(more: Record<string, unknown> = {}) {
  await stores.sql`insert into feeds ${stores.sql({ tenant: "default", source: url, url, ...more })}`;
}

const _get = async (source: string) =>
  (await stores.sql`select * from feeds where source = ${source} order by tenant`)[0];

test("feeds are listed by source, in pages", async () => {
  for (const source of ["ä", "b", "a", "\u{1f600}"]) await _store({ source });
  await _store({ source: "b", url: `${url}?2` });
  await _store({ source: "c", tenant: "other" });

  const all = await producer.client.listFeeds();
  expect(all.next).toBeNull();
  expect(all.items).toHaveLength(5);
  const paged: typeof all.items = [];
  for (let cursor: string | undefined | null; cursor !== null;) {
    const page = await producer.client.listFeeds(
      cursor === undefined ? { limit: 1 } : { limit: 1, cursor },
    );
    expect(page.items).toHaveLength(1);
    paged.push(...page.items);
    cursor = page.next;
  }
  expect(paged).toEqual(all.items);
  for (const cursor of ["nonsense", btoa(`${"0".repeat(32)} %00`), btoa(`${"0".repeat(32)} %ff`)]) {
    const answer = await producer.request(`/v1/feeds?cursor=${encodeURIComponent(cursor)}`);
    _expectProblem(answer, "invalid-parameter");
  }
});

test("a feed shows its last fetch, its end, and the next fetch of its schedules", async () => {
  const at = new Date("2026-11-26T09:40:00.000Z");
  await _store();
  await _store({
    source: "mine",
    moved_to: `${url}?new`,
    status: 410,
    last_error: "The server answered 410.",
    failures: 2,
    fetched_at: at,
    ended_at: at,
    not_before: at,
  });
  await _store({ source: "read", status: 200, fetched_at: at, new_items: 2, changed_items: 1 });
  const job = { type: "feed.fetch", data: { url } };
  for (const [name, everyMs] of Object.entries({ slow: 7_200_000, fast: 3_600_000 })) {
    const put = { ..._json({ everyMs, job }), method: "PUT" };
    expect((await producer.request(`/v1/schedules/${name}`, put)).status).toBe(201);
  }
  const { nextAt } = await producer.client.getSchedule("fast");

  const { items } = await producer.client.listFeeds();
  expect(items).toEqual([
    {
      source: url,
      url,
      movedTo: null,
      lastFetch: null,
      failures: 0,
      endedAt: null,
      notBefore: null,
      nextFetchAt: nextAt,
    },
    {
      source: "mine",
      url,
      movedTo: `${url}?new`,
      lastFetch: {
        endedAt: at.toISOString(),
        status: 410,
        error: "The server answered 410.",
        new: null,
        changed: null,
      },
      failures: 2,
      endedAt: at.toISOString(),
      notBefore: at.toISOString(),
      nextFetchAt: null,
    },
    expect.objectContaining({
      source: "read",
      lastFetch: { endedAt: at.toISOString(), status: 200, error: null, new: 2, changed: 1 },
    }),
  ]);
});

test("fetch now enqueues a job and resumes polling of this feed only", async () => {
  const at = new Date();
  await _store({ ended_at: at, not_before: at });
  await _store({ source: "mine", ended_at: at, not_before: at });

  const request = () =>
    producer.request(
      "/v1/feeds/fetch",
      _json({ url, source: "mine" }, { "Idempotency-Key": "one" }),
    );
  const answer = await request();

  expect(answer.status).toBe(201);
  expect(answer.body).toMatchObject({ type: "feed.fetch", outcome: "created" });
  expect(answer.headers.get("location")).toBe(`/v1/jobs/${answer.body.id}`);
  const [job] = await stores.sql`select data from jobs`;
  expect(job?.["data"]).toEqual({ url, source: "mine" });
  expect(await _get("mine")).toMatchObject({ ended_at: null, not_before: null });
  expect(await _get(url)).toMatchObject({ ended_at: at, not_before: at });

  const again = await request();
  expect(again.headers.get("idempotency-replayed")).toBe("true");
  expect(again.body.id).toBe(answer.body.id);
  expect(await stores.sql`select from jobs`).toHaveLength(1);
});

test("fetch now refuses unknown feeds, invalid data and keys without the type", async () => {
  await _store({ tenant: "other", ended_at: new Date() });
  const send = (body: unknown, headers = {}) =>
    producer.request("/v1/feeds/fetch", _json(body, headers));
  _expectProblem(await send({ url }), "feed-not-found");
  expect((await _get(url))?.["ended_at"]).not.toBeNull();
  const invalid = await send({ url: "ftp://example.org/" });
  expect(_expectProblem(invalid, "invalid-job").errors).toMatchObject([{ pointer: "/url" }]);

  const { key } = await _issue(stores, ["jobs:read", "jobs:enqueue"], { types: ["echo"] });
  _expectProblem(await send({ url }, _bearer(key)), "forbidden-resource");
  const list = await producer.request("/v1/feeds", { headers: _bearer(key) });
  _expectProblem(list, "forbidden-resource");
  expect(await stores.sql`select from jobs`).toHaveLength(0);
});
