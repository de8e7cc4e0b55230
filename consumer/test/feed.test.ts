import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
let server: Server;
let origin: string;
const bodies = new Map<string, string>();

beforeAll(async () => {
  world = await _openWorld();
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", origin);
    const to = searchParams.get("to");
    if (to !== null) response.writeHead(302, { location: to }).end();
    else response.setHeader("content-type", "application/xml").end(bodies.get(pathname));
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

async function _fetch(path: string, source?: string) {
  const url = `${origin}${path}`;
  const { id } = await world.accept({ type: "feed.fetch", data: { url, source } });
  return world.endOf(id);
}

const _itemsOf = (source: string) => world.sql`
  select guid, item->>'title' as title from feed_items where source = ${source} order by guid`;
const _itemJobsEnded = () =>
  _until(async () => {
    const [row] = await world.sql`
      select count(*)::int as pending from jobs where type = 'feed.item' and status = 'pending'`;
    return row?.["pending"] === 0;
  });

describe("a feed that is fetched", () => {
  test("is given up at once when it is no feed", async () => {
    bodies.set("/page", "<html></html>");

    expect(await _fetch("/page")).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "GiveUp" },
    });
  });

  test("enqueues its items, which are there once however often it is fetched", async () => {
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

    expect(await _itemsOf("test")).toEqual([
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

  test("keeps its items although one of them is too large", async () => {
    bodies.set("/large", _rss(_item("1", "x".repeat(1_100_000)) + _item("2", "Two")));

    expect(await _fetch("/large", "large")).toMatchObject({
      status: "completed",
      result: { items: 2, new: 1, skipped: 1 },
    });
    await _itemJobsEnded();
    expect(await _itemsOf("large")).toEqual([{ guid: "2", title: "Two" }] as never);
  });

  test("has its links resolved against where its redirects ended", async () => {
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

  test("lets other jobs run while it is parsed, and is enqueued page by page", async () => {
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
      await world.endOf(id);
      others += 1;
    }
    expect(await fetching).toMatchObject({ status: "completed", result: { items: 510, new: 510 } });
    expect(others).toBeGreaterThan(10);
    await _itemJobsEnded();
  });

  test("goes by its address when it was given no source", async () => {
    bodies.set("/unnamed", _rss(_item("1", "One")));

    expect(await _fetch("/unnamed")).toMatchObject({ status: "completed" });
    await _itemJobsEnded();

    expect(await _itemsOf(`${origin}/unnamed`)).toHaveLength(1);
  });
});

test("rows of an import are upserted and counted, also when they come again", async () => {
  const importId = Bun.randomUUIDv7();
  await world.sql`insert into imports (id, type) values (${importId}, 'row.import')`;
  const rows = Array.from({ length: 50 }, (_, index) => (index % 25) + 1);
  const jobs = await Promise.all(
    rows.map((row) => {
      const data = { importId, row, values: { n: String(row) } };
      return world.record({ type: "row.import", data }, importId);
    }),
  );

  await Promise.all(jobs.map((job) => world.placeJob(job)));

  for (const { id } of jobs) {
    expect(await world.endOf(id)).toMatchObject({ status: "completed", result: null });
  }
  const [counts] = await world.sql`select completed, dead from imports where id = ${importId}`;
  expect(counts).toEqual({ completed: 50, dead: 0 });
  const [stored] = await world.sql`
    select count(*)::int, min(values->>'n') as least from imported_rows where import_id = ${importId}`;
  expect(stored).toEqual({ count: 25, least: "1" });
});
