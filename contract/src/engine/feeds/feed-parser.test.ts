import { afterEach, expect, test } from "bun:test";
import type { FeedItem } from "../../api/feeds/feed-item.ts";
import { createFeedParser, type FeedParser, type PagedFeed } from "./feed-parser.ts";

const parsers: FeedParser[] = [];
afterEach(async () => {
  for (const parser of parsers.splice(0)) await parser[Symbol.asyncDispose]();
});

function _open(parseMs?: number): FeedParser {
  const parser = createFeedParser(parseMs);
  parsers.push(parser);
  return parser;
}

function _feed(items: number): Uint8Array {
  const item = (guid: number) =>
    `<item><guid>${guid}</guid><title>${"x".repeat(100)}</title></item>`;
  const all = Array.from({ length: items }, (_, guid) => item(guid)).join("");
  return new TextEncoder().encode(`<rss><channel><title>T</title>${all}</channel></rss>`);
}

async function _pages(feed: PagedFeed): Promise<FeedItem[][]> {
  if (feed.status === "invalid") throw new Error(feed.detail);
  return Array.fromAsync(feed.pages);
}

const options = { source: "test" };

test("a feed is parsed in another thread and read page by page", async () => {
  const parser = _open();
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 1);
  const feed = await parser.parse(_feed(8000), options);
  clearInterval(turning);
  expect(turns).toBeGreaterThan(20);
  const pages = await _pages(feed);
  expect(pages.length).toBeGreaterThan(10);
  expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(500);
  expect(pages.flat().map(({ guid }) => guid)).toEqual(
    Array.from({ length: 8000 }, (_, guid) => String(guid)),
  );
});

test("of feeds that wait, the smallest is next", async () => {
  const parser = _open();
  const done: number[] = [];
  await Promise.all(
    [4000, 3000, 2000, 1].map(async (items) => {
      await parser.parse(_feed(items), options);
      done.push(items);
    }),
  );
  expect(done).toEqual([4000, 1, 2000, 3000]);
});

test("a feed that takes too long is refused, and the next one has its turn", async () => {
  const parser = _open(1);
  const tooSlow = { status: "invalid", detail: "The feed takes too long to parse." };
  const feeds = await Promise.all([
    parser.parse(_feed(4000), options),
    parser.parse(_feed(4000), options),
  ]);
  expect(feeds).toEqual([tooSlow, tooSlow] as never);
});

test("an aborted feed rejects with the reason, whether it waits or is being parsed", async () => {
  const parser = _open();
  const running = new AbortController();
  const both = Promise.allSettled([
    parser.parse(_feed(8000), options, running.signal),
    parser.parse(_feed(8000), options, running.signal),
  ]);
  running.abort(new Error("enough"));
  const reasons = (await both).map((result) => result.status === "rejected" && result.reason);
  expect(reasons).toEqual([new Error("enough"), new Error("enough")]);
  expect(await parser.parse(_feed(1), options)).toMatchObject({ status: "ok" });
});

test("closing rejects feeds that are being parsed", async () => {
  const parser = _open();
  const parsing = parser.parse(_feed(8000), options).catch((error: unknown) => error);
  await parser[Symbol.asyncDispose]();
  expect(await parsing).toEqual(new Error("The feed parser is closed."));
});
