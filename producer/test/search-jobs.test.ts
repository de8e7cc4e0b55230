import { afterAll, afterEach, describe, expect, test } from "bun:test";
import type { ListJobsQuery } from "@toril/client";
import type { ISql } from "postgres";
import { createDeadLetters } from "../src/dead-letters/dead-letters.ts";
import { createJobSearch } from "../src/jobs/search-jobs.ts";
import type { JobFilter } from "../src/jobs/search-sources.ts";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { _until } from "../../contract/test/_until.ts";
import { _echo, _expectProblem, _json, _openStores, _startProducer } from "./_producer.ts";

const stores = await _openStores();
const producer = await _startProducer(stores);

afterEach(async () => {
  await stores.clear();
  await stores.sql`delete from job_terms`;
});
afterAll(async () => {
  await producer.close();
  await stores.close();
});

async function listIds(query: ListJobsQuery): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const requested = cursor === "" ? query : { ...query, cursor };
    const { items, next } = await producer.client.listJobs({ limit: 2, ...requested });
    ids.push(...items.map((job) => job.id));
    cursor = next ?? undefined;
  }
  return ids;
}

async function post(options: object): Promise<string> {
  return (await producer.post(_echo("a", options))).body.id;
}

/** Waits until the clock shows another millisecond, and returns the time. */
async function nextMillisecond(): Promise<Date> {
  const now = Date.now();
  await _until(() => Date.now() > now);
  return new Date();
}

const none = {
  title: null,
  link: null,
  author: null,
  publishedAt: null,
  summary: null,
  content: null,
};
const feedItem = (source: string, guid: string) => ({
  type: "feed.item",
  data: { source, guid, ...none, categories: [] },
});

describe("jobs are found", () => {
  test("by label, key, type, queue and status, alone and together", async () => {
    const a = await post({ labels: ["red", "blue"], key: "k" });
    const b = await post({ labels: ["red"] });
    const c = await post({});
    await stores.sql`update jobs set status = 'dead' where id = ${b}`;
    for (const [query, ids] of [
      [{ label: "red" }, [b, a]],
      [{ label: "blue" }, [a]],
      [{ label: "green" }, []],
      [{ label: "red", status: "pending" }, [a]],
      [{ key: "k" }, [a]],
      [{ key: "k", label: "red" }, [a]],
      [{ key: "k", status: "dead" }, []],
      [{ status: "dead" }, [b]],
      [{ status: "pending" }, [c, a]],
      [{ status: "pending", type: "echo", queue: "default" }, [c, a]],
      [{ queue: "default" }, [c, b, a]],
      [{ queue: "feeds" }, []],
      [{ type: "echo", status: "expired" }, []],
      [{}, [c, b, a]],
    ] as const) {
      expect(await listIds(query), JSON.stringify(query)).toEqual([...ids]);
    }
  });

  test("by a searchable field of their data", async () => {
    const ids: string[] = [];
    for (const [source, guid] of [
      ["s", "1"],
      ["s", "2"],
      ["other", "1"],
    ] as const) {
      const { status, body } = await producer.post(feedItem(source, guid));
      expect(status).toBe(201);
      ids.push(body.id);
    }
    expect(await listIds({ "data.source": "s" })).toEqual([ids[1]!, ids[0]!]);
    expect(await listIds({ "data.source": "s", key: "s#1" })).toEqual([ids[0]!]);
    const answer = await producer.request("/v1/jobs?data.guid=1");
    _expectProblem(answer, "invalid-parameter");
  });

  test("by creation time", async () => {
    const old = await post({});
    const middle = await nextMillisecond();
    await nextMillisecond();
    const young = await post({});
    const time = middle.toISOString();
    expect(await listIds({ createdAfter: time })).toEqual([young]);
    expect(await listIds({ createdBefore: time })).toEqual([old]);
    expect(await listIds({ createdBefore: time, createdAfter: time })).toEqual([]);
  });

  const feed = { type: "feed.fetch", data: { url: "http://x.test/" } };
  const record = (count: number) => stores.sql<{ id: string }[]>`
    insert into jobs (id, queue, type, data, options)
    select ('ffffffff-' || lpad(to_hex(n), 4, '0') || '-7000-8000-000000000000')::uuid, 'default', 'echo', '{}',
           '{"attempts":3,"backoff":{"type":"fixed","delay":1}}'
    from generate_series(1, ${count}) as n returning id`;

  test("by their live state, across queues and with other filters", async () => {
    const [a, b] = [await post({ labels: ["red"] }), await post({ key: "k" })];
    const fetching = (await producer.post(feed)).body.id;
    const delayed = await post({ delayMs: 60_000, labels: ["red"] });
    const fetchingLater = (await producer.post({ ...feed, delayMs: 60_000 })).body.id;
    const prioritized = await post({ priority: 3 });
    const dead = await post({ labels: ["red"] });
    await stores.sql`update jobs set status = 'dead' where id = ${dead}`;
    const graph = { job: _echo(), children: [{ job: _echo("child", { labels: ["child"] }) }] };
    const parent = (await producer.request("/v1/graphs", _json(graph))).body.id;
    const [child] = await listIds({ label: "child" });
    const undispatched = (await record(1))[0]!.id;
    const [queue, state] = ["default", "waiting"] as const;
    for (const [query, ids] of [
      [{ state }, [child, fetching, b, a]],
      [{ state, queue, limit: 1 }, [child, b, a]],
      [{ state, status: "pending", queue: "feeds" }, [fetching]],
      [{ state, type: "feed.fetch" }, [fetching]],
      [{ state, label: "red" }, [a]],
      [{ state, key: "k" }, [b]],
      [{ state, createdAfter: new Date(Date.now() + 60_000).toISOString() }, []],
      [{ state: "delayed" }, [fetchingLater, delayed]],
      [{ state: "delayed", label: "red", queue }, [delayed]],
      [{ state: "prioritized" }, [prioritized]],
      [{ state: "active" }, []],
      [{ state: "undispatched" }, [undispatched]],
      [{ state: "waiting-children", type: "echo" }, [parent]],
    ] as const) {
      expect(await listIds(query), JSON.stringify(query)).toEqual(
        ids as readonly string[] as string[],
      );
    }
  });

  test("by a state of more jobs than one page reads from Redis, page by page", async () => {
    const [a, b] = [await post({ labels: ["red"] }), await post({})];
    const others = Array.from({ length: 10_000 }, () => Bun.randomUUIDv7());
    await stores.redis.lpush(queueKeys(stores.prefix, "default").wait, ...others);
    await record(2500);
    const pages: string[][] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const query = { state: "waiting", limit: 5, ...(cursor === "" ? {} : { cursor }) } as const;
      const { items, next } = await producer.client.listJobs(query);
      pages.push(items.map(({ id }) => id));
      cursor = next ?? undefined;
    }
    expect(pages).toEqual([[], [], [b, a]]);
    expect(await listIds({ state: "waiting", label: "red" })).toEqual([a]);
    expect(await listIds({ state: "undispatched", limit: 500 })).toHaveLength(2500);
  });

  test.each(["?state=waiting&status=dead", "?state=none", "?queue=none", "?label="])(
    "not with %s",
    async (query) => {
      _expectProblem(await producer.request(`/v1/jobs${query}`), "invalid-parameter");
    },
  );
});

test("the next page is also a Link header", async () => {
  await post({ labels: ["red"] });
  await post({ labels: ["red"] });
  const first = await producer.request("/v1/jobs?label=red&limit=1");
  const [, link] = /^<(.+)>; rel="next"$/.exec(first.headers.get("link") ?? "") ?? [];
  const second = await producer.request(link ?? "");
  expect(second.body.items).toHaveLength(1);
  expect(second.body.items[0].id).not.toBe(first.body.items[0].id);
  expect(second.headers.get("link")).toBeNull();
});

describe("with many jobs", () => {
  /** Wraps reads to count the index entries and rows that they read. */
  function countingReads() {
    const counts = { bySequence: 0, byIndex: 0 };
    const begin = (_: string, work: (sql: ISql) => Promise<unknown>) =>
      stores.sql.begin(async (sql) => {
        const readsUntilNow = async () => {
          const [row] = await sql<(typeof counts)[]>`
              select sum(entries) filter (where relkind = 'r')::int as "bySequence",
                     sum(entries) filter (where relkind = 'i')::int as "byIndex"
              from pg_class cross join pg_stat_get_xact_tuples_returned(oid) as entries
              where relname like 'jobs%' or relname like 'job\\_terms%'`;
          return row!;
        };
        const before = await readsUntilNow();
        const found = await work(sql);
        const after = await readsUntilNow();
        counts.bySequence = after.bySequence - before.bySequence;
        counts.byIndex = after.byIndex - before.byIndex;
        return found;
      });
    const run = (_tenant: string, work: (sql: unknown) => unknown) => work({ begin });
    return { counts, reads: { run: run as never, scan: run as never } };
  }

  async function counting(filter: Partial<JobFilter>) {
    const { counts, reads } = countingReads();
    const search = createJobSearch(shippedRegistry, reads);
    const restrictions = { queues: undefined, types: undefined };
    const found = await search.find(
      { tenant: "default", terms: [], restrictions, ...filter },
      undefined,
      10,
    );
    return { ...found, counts };
  }

  test("a page reads only what it returns, and a bounded number of other entries", async () => {
    await stores.sql`
      insert into jobs (id, queue, type, status, data, options, labels)
      select (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'default', 'echo',
             case when n % 1000 = 0 then 'dead' else 'completed' end, '{}',
             '{"attempts":3,"backoff":{"type":"fixed","delay":1}}', case when n % 10 = 0 then array['red'] end
      from generate_series(1, 60000) as n`;
    await stores.sql`
      insert into job_terms (term, job_id) select 'l:red', id from jobs where labels is not null`;
    await stores.sql`vacuum analyze jobs, job_terms`;
    const some = await stores.sql<
      { id: string }[]
    >`select id from jobs where id < '00000400-0000-7000-8000-000000000000'`;
    const listed = some.map(({ id }) => id);
    for (const [filter, most, found] of [
      [{}, 100, 10],
      [{ type: "echo" }, 100, 10],
      [{ queue: "default" }, 11_000, 10],
      [{ terms: ["l:red"] }, 100, 10],
      [{ status: "dead" }, 100, 10],
      [{ status: "completed" }, 100, 10],
      [{ type: "echo", status: "completed" }, 100, 10],
      [{ status: "expired" }, 100, 0],
      [{ status: "pending" }, 100, 0],
      [{ key: "none" }, 100, 0],
      [{ type: "echo", status: "dead" }, 100, 10],
      [{ type: "echo", queue: "none" }, 21_000, 0],
      [{ ids: listed, type: "echo" }, 2100, 10],
      [{ terms: ["l:red", "l:blue"] }, 41_000, 0],
    ] as const) {
      const { ids, counts } = await counting(filter);
      expect(counts.bySequence, JSON.stringify(filter)).toBe(0);
      expect(counts.byIndex, JSON.stringify(filter)).toBeLessThan(most);
      expect(ids, JSON.stringify(filter)).toHaveLength(found);
    }
    expect(await listIds({ type: "echo", status: "dead", limit: 7 })).toHaveLength(60);
    const { next } = await counting({ type: "echo", queue: "none" });
    expect(next).toBeDefined();
  });

  test("pending jobs of other tenants and types take pages but hide no match", async () => {
    await stores.sql`
      insert into jobs (id, tenant, queue, type, status, data, options)
      select (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid,
             case when n % 2 = 0 then 'default' else 'other' end,
             'default', case when n % 10000 < 4 then 'echo' else 'row.import' end,
             case when n < 20000 then 'completed' else 'pending' end, '{}',
             '{"attempts":3,"backoff":{"type":"fixed","delay":1}}'
      from generate_series(1, 60000) as n`;
    await stores.sql`vacuum analyze jobs`;
    for (const [filter, most, found] of [
      [{}, 100, 10],
      [{ status: "completed" }, 100, 10],
      [{ type: "row.import", status: "completed" }, 100, 10],
      [{ type: "echo" }, 21_000, 3],
      [{ tenant: "nobody" }, 21_000, 0],
    ] as const) {
      const { ids, counts, next } = await counting(filter);
      expect(counts.bySequence, JSON.stringify(filter)).toBe(0);
      expect(counts.byIndex, JSON.stringify(filter)).toBeLessThan(most);
      expect(ids, JSON.stringify(filter)).toHaveLength(found);
      expect(next, JSON.stringify(filter)).toBeDefined();
    }
    const ids = await listIds({ type: "echo", limit: 3 });
    const rows = await stores.sql<{ id: string }[]>`
      select id from jobs where tenant = 'default' and type = 'echo' order by id desc`;
    expect(ids).toEqual(rows.map(({ id }) => id));
  });

  test("dead letters of another queue or reason cost at most the entries a page may scan", async () => {
    await stores.sql`
      insert into jobs (id, queue, type, status, reason, data, options)
      select (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'default', 'echo', 'dead',
             case when n = 1 then 'rare' when n % 3 = 0 then null else 'Error: ' || n % 3 end, '{}', '{}'
      from generate_series(1, 30000) as n`;
    await stores.sql`vacuum analyze jobs`;
    for (const [filter, most, found] of [
      [{ queue: "imports" }, 21_000, 0],
      [{ reason: "rare" }, 21_000, 0],
      [{ type: "echo", reason: "rare" }, 100, 1],
      [{ type: "echo", reason: "Error: 1" }, 100, 10],
    ] as const) {
      const { ids, counts, next } = await counting({ status: "dead", ...filter });
      expect(counts.bySequence, JSON.stringify(filter)).toBe(0);
      expect(counts.byIndex, JSON.stringify(filter)).toBeLessThan(most);
      expect(ids, JSON.stringify(filter)).toHaveLength(found);
      expect(next === undefined, JSON.stringify(filter)).toBe(found === 1);
    }

    const { counts, reads } = countingReads();
    const letters = createDeadLetters(
      shippedRegistry,
      reads,
      createJobSearch(shippedRegistry, reads),
      { maxCounted: 8000 },
    );
    const { groups, isComplete } = await letters.summarize("default", {});
    expect(isComplete).toBe(true);
    expect(groups.map(({ reason, count, isExact }) => [reason, count, isExact])).toEqual([
      ["Error: 1", 2000, false],
      ["Error: 2", 2000, false],
      [null, 2000, false],
      ["rare", 1, true],
    ]);
    expect(counts.bySequence).toBe(0);
    expect(counts.byIndex).toBeLessThan(9000);
  });
});
