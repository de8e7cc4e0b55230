import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { _jobIn, _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
let server: Server;
let origin: string;
const bodies = new Map<string, string>();
/** Number of requests per feed. */
const requests = new Map<string, number>();
/** Delays responses until the promise resolves. */
let gate: Promise<void> = Promise.resolve();

beforeAll(async () => {
  world = await _openWorld();
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", origin);
    requests.set(pathname, (requests.get(pathname) ?? 0) + 1);
    const to = searchParams.get("to");
    if (to !== null) response.writeHead(302, { location: to }).end();
    else {
      response.setHeader("content-type", "application/xml");
      void gate.then(() => response.end(bodies.get(pathname)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  consumer = await _startConsumer(world);
});
afterAll(async () => {
  await consumer[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  await world[Symbol.asyncDispose]();
});

const _rss = (items: string) =>
  `<rss version="2.0"><channel><title>T</title>${items}</channel></rss>`;
const _item = (guid: string, title: string) =>
  `<item><guid isPermaLink="false">${guid}</guid><title>${title}</title></item>`;

async function _start(path: string, source?: string, quotaKey?: string) {
  const url = `${origin}${path}`;
  const job = await world.record({ type: "feed.fetch", data: { url, source } });
  if (quotaKey) await world.sql`update jobs set quota_key = ${quotaKey} where id = ${job.id}`;
  await world.dispatchJob(job);
  return job.id;
}

const _fetch = async (...args: Parameters<typeof _start>) =>
  world.waitForEnd(await _start(...args));

const _createKey = (id: string, quotas: Record<string, number>) => world.sql`
  insert into api_keys (id, tenant, name, scopes, quotas, hash, revision)
  select ${id}, 'default', 'k', '[]', ${world.sql.json(quotas)}, ${id}, count(*) + 1 from api_keys`;

const _getItems = (source: string) => world.sql`
  select guid, item->>'title' as title from feed_items where source = ${source} order by guid`;
const _itemJobsEnded = () =>
  _until(async () => {
    const [row] = await world.sql`
      select count(*)::int as pending from jobs where type = 'feed.item' and status = 'pending'`;
    return row?.["pending"] === 0;
  });

describe("a fetch of a feed", () => {
  test("makes the job dead at once when the document is not a feed", async () => {
    bodies.set("/page", "<html></html>");

    expect(await _fetch("/page")).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "NonRetryableError" },
    });
  });

  test("enqueues the items, which are stored once after any number of fetches", async () => {
    bodies.set("/feed", _rss(_item("1", "One") + _item("2", "Two")));

    const first = await _fetch("/feed", "test");
    expect(first).toMatchObject({
      status: "completed",
      result: { items: 2, new: 2, changed: 0, same: 0, notModified: false },
    });
    await _itemJobsEnded();
    bodies.set("/feed", _rss(_item("1", "One") + _item("2", "Second") + _item("3", "Three")));
    expect(await _fetch("/feed", "test")).toMatchObject({
      result: { items: 3, new: 1, changed: 1, same: 1, duplicate: 0, skipped: 0 },
    });
    await _itemJobsEnded();

    expect(await _getItems("test")).toEqual([
      { guid: "1", title: "One" },
      { guid: "2", title: "Second" },
      { guid: "3", title: "Three" },
    ] as never);
    const outcomes = await world.sql`
      select result->>'outcome' as outcome, count(*)::int from jobs
      where type = 'feed.item' group by 1 order by 1`;
    expect(outcomes).toEqual([
      { outcome: "changed", count: 1 },
      { outcome: "new", count: 3 },
    ] as never);
  });

  test("enqueues the other items when one item is too large", async () => {
    bodies.set("/large", _rss(_item("1", "x".repeat(1_100_000)) + _item("2", "Two")));

    expect(await _fetch("/large", "large")).toMatchObject({
      status: "completed",
      result: { items: 2, new: 1, skipped: 1 },
    });
    await _itemJobsEnded();
    expect(await _getItems("large")).toEqual([{ guid: "2", title: "Two" }] as never);
  });

  test("resolves links against the URL after redirects", async () => {
    const file = new URL("../../contract/test/feeds/relative.atom", import.meta.url);
    bodies.set("/blog/feed.xml", await Bun.file(file).text());

    expect(await _fetch("/go?to=/blog/feed.xml", "moved")).toMatchObject({ status: "completed" });
    await _itemJobsEnded();
    const links = await world.sql`
      select item->>'link' as link from feed_items where source = 'moved' order by guid`;
    expect(links).toEqual([
      { link: `${origin}/posts/two` },
      { link: `${origin}/blog/release-2/index.html` },
    ] as never);
  });

  test("does not block other jobs while a large feed is parsed and enqueued page by page", async () => {
    const categories = Array.from({ length: 120 }, (_, n) => `<category>${n}</category>`).join("");
    const items = Array.from({ length: 510 }, (_, n) =>
      _item(String(n), `t</title>${categories}<title>`),
    );
    bodies.set("/large-feed", _rss(items.join("")));
    const progress = { isDone: false };
    const fetching = _fetch("/large-feed", "large-feed").finally(() => (progress.isDone = true));
    let others = 0;
    while (!progress.isDone) {
      const { id } = await world.accept({ type: "echo", data: { message: "meanwhile" } });
      await world.waitForEnd(id);
      others += 1;
    }
    expect(await fetching).toMatchObject({ status: "completed", result: { items: 510, new: 510 } });
    expect(others).toBeGreaterThan(10);
    await _itemJobsEnded();
  });

  test("uses the URL as source when no source is set", async () => {
    bodies.set("/unnamed", _rss(_item("1", "One")));

    expect(await _fetch("/unnamed")).toMatchObject({ status: "completed" });
    await _itemJobsEnded();

    expect(await _getItems(`${origin}/unnamed`)).toHaveLength(1);
  });
});

describe("a fetch for an API key with quotas", () => {
  test("requests the feed once, although the first items exhaust the rate", async () => {
    await _createKey("slow", { rate: 1, burst: 1 });
    bodies.set("/slow", _rss(_item("1", "One")));
    await _fetch("/slow", "slow");
    await _itemJobsEnded();
    bodies.set("/slow", _rss(_item("1", "First") + _item("2", "Two") + _item("3", "Three")));

    expect(await _fetch("/slow", "slow", "slow")).toMatchObject({
      status: "completed",
      result: { items: 3, new: 2, changed: 1, duplicate: 0 },
    });
    expect(requests.get("/slow")).toBe(2);
    await _itemJobsEnded();
  });

  test("does not wait for pending items of the key's feeds", async () => {
    await _createKey("few", { maxWaiting: 1 });
    const paths = ["/few-1", "/few-2", "/few-3"];
    for (const path of paths) bodies.set(path, _rss(_item("1", "One") + _item("2", "Two")));
    const opened = Promise.withResolvers<void>();
    gate = opened.promise;
    const fetches = paths.map((path) => _fetch(path, undefined, "few"));
    await _until(async () => paths.every((path) => requests.has(path)));
    opened.resolve();

    for (const row of await Promise.all(fetches)) {
      expect(row).toMatchObject({ status: "completed", result: { new: 2 } });
    }
    expect(paths.map((path) => requests.get(path))).toEqual([1, 1, 1]);
    await _itemJobsEnded();
  });

  test("does not request the feed while other jobs of the key exhaust the quota", async () => {
    await _createKey("full", { maxWaiting: 1 });
    bodies.set("/full", _rss(_item("1", "One")));
    const other = await world.record({ type: "echo", data: { message: "waits" } });
    await world.sql`update jobs set quota_key = 'full' where id = ${other.id}`;
    const queue = world.queue("feeds");
    await using _ = { [Symbol.asyncDispose]: () => queue.close() };
    await _jobIn(queue, "delayed", await _start("/full", undefined, "full"));
    expect(requests.has("/full")).toBe(false);
    await world.sql`delete from jobs where quota_key = 'full'`;
  });
});

test("imported rows are upserted and counted, also when they are repeated", async () => {
  const importId = Bun.randomUUIDv7();
  await world.sql`insert into imports (id, type) values (${importId}, 'row.import')`;
  const rows = Array.from({ length: 50 }, (_, index) => (index % 25) + 1);
  const jobs = await Promise.all(
    rows.map((row) => {
      const data = { importId, row, values: { n: String(row) } };
      return world.record({ type: "row.import", data }, importId);
    }),
  );

  await Promise.all(jobs.map((job) => world.dispatchJob(job)));

  for (const { id } of jobs) {
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", result: null });
  }
  const [counts] = await world.sql`select completed, dead from imports where id = ${importId}`;
  expect(counts).toEqual({ completed: 50, dead: 0 });
  const [stored] = await world.sql`
    select count(*)::int, min(values->>'n') as least from imported_rows where import_id = ${importId}`;
  expect(stored).toEqual({ count: 25, least: "1" });
});
