import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { createFeedStates } from "../src/feeds/feed-states.ts";
import { createRetryingLedger } from "../src/stores/retrying-ledger.ts";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

interface _Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

let world: _World;
let server: Server;
let origin: string;
const answers = new Map<string, (headers: IncomingHttpHeaders) => _Answer>();
const requested: { path: string; headers: IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  world = await _openWorld();
  server = createServer((request, response) => {
    const path = request.url ?? "";
    requested.push({ path, headers: request.headers });
    const { status = 200, headers, body = "" } = answers.get(path)?.(request.headers) ?? {};
    response.writeHead(status, { "content-type": "application/xml", ...headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => void (requested.length = 0));
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await world[Symbol.asyncDispose]();
});

const _rss = (...titles: string[]) =>
  `<rss version="2.0"><channel><title>T</title>${titles
    .map(
      (title, index) =>
        `<item><guid isPermaLink="false">${index}</guid><title>${title}</title></item>`,
    )
    .join("")}</channel></rss>`;

const _request = (path: string): JobRequest => ({
  type: "feed.fetch",
  data: { url: origin + path, source: path },
});

async function _fetch(path: string) {
  const { id } = await world.accept(_request(path));
  return world.waitForEnd(id);
}

const _getState = async (path: string) =>
  (await world.sql`select * from feeds where source = ${path}`)[0];

const _itemJobsEnded = () =>
  _until(async () => {
    const [row] = await world.sql`
      select count(*)::int as pending from jobs where type = 'feed.item' and status = 'pending'`;
    return row?.["pending"] === 0;
  });

/** Serves a feed, or 304 to a request with the ETag of the current version. */
function _serve(path: string, version: () => { etag: string; body: string }) {
  answers.set(path, (headers) => {
    const { etag, body } = version();
    if (headers["if-none-match"] === etag) return { status: 304, headers: { etag } };
    return { headers: { etag, "last-modified": "Mon, 23 Nov 2026 10:00:00 GMT" }, body };
  });
}

describe("a repeated fetch of a feed", () => {
  test("sends ETag and Last-Modified, and enqueues nothing when the feed is unchanged", async () => {
    await using _consumer = await _startConsumer(world);
    let version = { etag: '"1"', body: _rss("One", "Two") };
    _serve("/etag", () => version);
    expect(await _fetch("/etag")).toMatchObject({ result: { new: 2, notModified: false } });
    await _itemJobsEnded();

    expect((await _fetch("/etag"))?.["result"]).toEqual({
      items: 0,
      new: 0,
      changed: 0,
      same: 0,
      duplicate: 0,
      skipped: 0,
      notModified: true,
    });
    expect(requested.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"1"']);
    expect(requested[1]?.headers["if-modified-since"]).toBe("Mon, 23 Nov 2026 10:00:00 GMT");
    expect(await _getState("/etag")).toMatchObject({ status: 304, failures: 0, last_error: null });

    version = { etag: '"2"', body: _rss("One", "Second", "Three") };
    expect((await _fetch("/etag"))?.["result"]).toMatchObject({
      items: 3,
      new: 1,
      changed: 1,
      same: 1,
      notModified: false,
    });
    await _itemJobsEnded();
    const jobs = await world.sql`
      select from jobs where data->>'source' = '/etag' and type = 'feed.item'`;
    expect(jobs).toHaveLength(4);
  });

  test("sends validators only to the URL that returned them", async () => {
    await using _consumer = await _startConsumer(world);
    let to = "/a";
    answers.set("/moving", () => ({ status: 302, headers: { location: to } }));
    _serve("/a", () => ({ etag: '"same"', body: _rss("A") }));
    _serve("/b", () => ({ etag: '"same"', body: _rss("B") }));
    await _fetch("/moving");
    await _itemJobsEnded();

    to = "/b";
    expect(await _fetch("/moving")).toMatchObject({ result: { changed: 1, notModified: false } });
    expect(requested.map(({ headers }) => headers["if-none-match"])).toEqual(
      Array(4).fill(undefined),
    );
  });

  test("reads the whole feed again while an older version of an item is pending", async () => {
    let version = { etag: '"1"', body: _rss("One") };
    _serve("/waiting", () => version);
    const held = Promise.withResolvers<void>();
    await using consumer = await _startConsumer(world, {
      handlers: {
        "feed.item": async () => {
          await held.promise;
          throw new Error("never kept");
        },
      },
    });
    await _fetch("/waiting");
    version = { etag: '"2"', body: _rss("Changed") };

    expect(await _fetch("/waiting")).toMatchObject({ result: { new: 0, duplicate: 1 } });

    expect(await _getState("/waiting")).toMatchObject({ etag: null, failures: 0 });
    held.resolve();
    await consumer.close();
    await world.sql`update jobs set status = 'dead' where type = 'feed.item' and status = 'pending'`;
  });
});

describe("the state of a broken feed is recorded", () => {
  test.each<[string, _Answer, string]>([
    ["/gone", { status: 410 }, "The server answered 410."],
    ["/html", { body: "<html></html>" }, ""],
    ["/cut", { body: "<rss><channel><item><title>" }, ""],
    ["/loop", { status: 302, headers: { location: "/loop" } }, "redirects more than 5 times"],
    ["/large", { body: " ".repeat(8_000_001) }, "larger than 8000000 bytes"],
  ])("%s", async (path, answer, detail) => {
    await using _consumer = await _startConsumer(world);
    answers.set(path, () => answer);

    const job = await _fetch(path);

    expect(job).toMatchObject({
      status: "dead",
      attempts: 1,
      error: { name: "NonRetryableError" },
    });
    expect(job?.["error"].message).toContain(detail);
    expect(await _getState(path)).toMatchObject({
      failures: 1,
      last_error: job?.["error"].message,
      etag: null,
    });
  });

  test("with the number of consecutive failures, until a fetch succeeds; validators stay", async () => {
    await using _consumer = await _startConsumer(world);
    _serve("/flaky", () => ({ etag: '"1"', body: _rss("One") }));
    await _fetch("/flaky");
    const works = answers.get("/flaky");
    answers.set("/flaky", () => ({ status: 404 }));
    await _fetch("/flaky");
    await _fetch("/flaky");
    expect(await _getState("/flaky")).toMatchObject({ failures: 2, status: 404, etag: '"1"' });

    answers.set("/flaky", works!);
    expect(await _fetch("/flaky")).toMatchObject({ result: { notModified: true } });
    expect(await _getState("/flaky")).toMatchObject({ failures: 0, last_error: null });
  });

  test("without a secret that its server echoes", async () => {
    const key = { id: "2026a", bytes: crypto.getRandomValues(new Uint8Array(32)) };
    const env = { SECRET_KEYS: `2026a:${Buffer.from(key.bytes).toString("base64")}` };
    await using _consumer = await _startConsumer(world, { env });
    const authorization = "Bearer very-secret-token";
    answers.set("/echo", (headers) => ({
      headers: { etag: `"${headers.authorization}"` },
      body: _rss("One"),
    }));
    const { id } = await world.accept(
      { type: "feed.fetch", data: { url: `${origin}/echo`, source: "/echo", authorization } },
      {},
      createKeyRing([key]),
    );

    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
    expect(JSON.stringify(await _getState("/echo"))).not.toContain("very-secret");
  });
});

test.each([429, 503])(
  "a %d response with Retry-After delays the job without using an attempt",
  async (status) => {
    await using _consumer = await _startConsumer(world);
    const path = `/busy/${status}`;
    let isBusy = true;
    answers.set(path, () => {
      const answer = isBusy ? { status, headers: { "retry-after": "1" } } : { body: _rss("One") };
      isBusy = false;
      return answer;
    });

    expect(await _fetch(path)).toMatchObject({ status: "completed", attempts: 1 });
    expect(requested).toHaveLength(2);
    expect(await _getState(path)).toMatchObject({ failures: 0, status: 200 });
  },
);

test("a job is dead when its server sends Retry-After every time", async () => {
  await using _consumer = await _startConsumer(world);
  answers.set("/always", () => ({ status: 429, headers: { "retry-after": "0" } }));
  await world.sql`
    insert into feeds (source, url, failures) values ('/always', ${`${origin}/always`}, 20)`;

  expect(await _fetch("/always")).toMatchObject({
    status: "dead",
    error: { name: "NonRetryableError" },
  });
});

test("overlapping fetches store no validators, and an earlier fetch that ends later changes nothing else", async () => {
  const job = await world.record(_request("/overlap"));
  const feeds = createFeedStates(
    createRetryingLedger({
      ledger: { run: (work) => work(world.sql) },
      onUnavailable() {},
      onAvailable() {},
    }),
  );
  const known = { url: `${origin}/overlap`, etag: '"1"', lastModified: null };
  const begin = () => feeds.begin(job.id, "/overlap", known.url);
  const end = (fetch: Awaited<ReturnType<typeof begin>>) => feeds.end(fetch, { code: 200, known });
  const etag = async () => (await _getState("/overlap"))?.["etag"];

  for (const isFirstSooner of [true, false]) {
    const first = await begin();
    const second = await begin();
    await end(isFirstSooner ? first : second);
    await end(isFirstSooner ? second : first);
    expect(await etag()).toBeNull();
  }
  await end(await begin());
  expect(await etag()).toBe('"1"');

  const [earlier, later] = [await begin(), await begin()];
  const notBefore = new Date(Date.now() + 3_600_000);
  await feeds.end(later, { code: 200, known, notBefore });
  const { fetches: _, ...ended } = (await _getState("/overlap"))!;
  expect(ended["not_before"]).toEqual(notBefore);
  await feeds.end(earlier, { code: 410, known: undefined, error: "gone", isGone: true });
  expect(await _getState("/overlap")).toMatchObject({
    ...ended,
    etag: null,
    final_url: null,
    not_before: null,
  });

  const [failed, succeeded] = [await begin(), await begin()];
  await feeds.end(failed, { code: 500, known: undefined, error: "broken" });
  expect(await _getState("/overlap")).toMatchObject({ status: 500, failures: 1 });
  await end(succeeded);
  expect(await _getState("/overlap")).toMatchObject({ status: 200, failures: 0, etag: null });
  await world.sql`update jobs set status = 'dead' where id = ${job.id}`;
});

test("many concurrent fetches of a feed by two consumers keep one state, and no job is dead", async () => {
  const titles = Array.from({ length: 300 }, (_, index) => `Item ${index}`);
  _serve("/shared", () => ({ etag: '"1"', body: _rss(...titles) }));
  await using _first = await _startConsumer(world);
  await using _second = await _startConsumer(world);

  const jobs = await Promise.all(
    Array.from({ length: 8 }, () => world.accept(_request("/shared"))),
  );

  for (const { id } of jobs) {
    const end = await world.waitForEnd(id);
    expect(end).toMatchObject({ status: "completed", result: { skipped: 0 } });
  }
  await _itemJobsEnded();
  const kept = await world.sql`select guid from feed_items where source = '/shared'`;
  expect(kept).toHaveLength(300);
  const unwanted = await world.sql`
    select id from jobs where data->>'source' = '/shared' and status <> 'completed'`;
  expect(unwanted).toHaveLength(0);
  expect(await _fetch("/shared")).toMatchObject({ status: "completed" });
  expect(await _fetch("/shared")).toMatchObject({ result: { notModified: true } });
});
