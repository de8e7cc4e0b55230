import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

interface _Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

const key = { id: "2026a", bytes: crypto.getRandomValues(new Uint8Array(32)) };
let world: _World;
let consumer: Awaited<ReturnType<typeof _startConsumer>>;
let server: Server;
let origin: string;
const answers = new Map<string, _Answer>();
const requested: { path: string; headers: IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  world = await _openWorld();
  const env = { SECRET_KEYS: `2026a:${Buffer.from(key.bytes).toString("base64")}` };
  consumer = await _startConsumer(world, { env });
  server = createServer((request, response) => {
    const path = request.url ?? "";
    requested.push({ path, headers: request.headers });
    const { status = 200, headers, body = rss } = answers.get(path) ?? {};
    response.writeHead(status, { "content-type": "application/xml", ...headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  answers.clear();
  requested.length = 0;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await consumer.close();
  await world[Symbol.asyncDispose]();
});

const rss = `<rss version="2.0"><channel><title>T</title></channel></rss>`;
const notFetched = { items: 0, new: 0, changed: 0, same: 0, duplicate: 0, skipped: 0 };

async function _fetch(path: string, more: { authorization?: string } = {}) {
  const data = { url: origin + path, source: path, ...more };
  const { id } = await world.accept({ type: "feed.fetch", data }, {}, createKeyRing([key]));
  return world.waitForEnd(id);
}

const _getState = async (path: string) =>
  (await world.sql`select * from feeds where source = ${path}`)[0];

const _paths = () => requested.map(({ path }) => path);

test("410 ends polling: later jobs send no request", async () => {
  answers.set("/gone", { status: 410 });
  expect(await _fetch("/gone")).toMatchObject({ status: "dead" });
  expect(await _getState("/gone")).toMatchObject({ ended_at: expect.any(Date), status: 410 });

  expect(await _fetch("/gone")).toMatchObject({
    status: "completed",
    result: { ...notFetched, notModified: false, notFetched: { reason: "ended", until: null } },
  });
  expect(_paths()).toEqual(["/gone"]);
});

test.each([301, 308])("a %d redirect moves the address until the new one fails", async (status) => {
  const [old, moved] = [`/old/${status}`, `/new/${status}`];
  answers.set(old, { status, headers: { location: moved } });
  await _fetch(old);
  await _fetch(old);
  expect(_paths()).toEqual([old, moved, moved]);
  expect(await _getState(old)).toMatchObject({ moved_to: origin + moved });

  requested.length = 0;
  answers.set(moved, { status: 404 });
  expect(await _fetch(old)).toMatchObject({ status: "dead" });
  answers.set(old, {});
  expect(await _fetch(old)).toMatchObject({ status: "completed" });
  expect(_paths()).toEqual([moved, old]);
});

test("only the permanent redirects at the start are remembered", async () => {
  answers.set("/a", { status: 301, headers: { location: "/b" } });
  answers.set("/b", { status: 302, headers: { location: "/c" } });
  answers.set("/c", { status: 301, headers: { location: "/d" } });
  await _fetch("/a");
  await _fetch("/a");
  expect(_paths()).toEqual(["/a", "/b", "/c", "/d", "/b", "/c", "/d"]);
});

test("a redirect to something that is no feed is not remembered", async () => {
  answers.set("/portal", { status: 301, headers: { location: "/login" } });
  answers.set("/login", { body: "<html></html>" });
  await _fetch("/portal");
  await _fetch("/portal");
  expect(_paths()).toEqual(["/portal", "/login", "/portal", "/login"]);
});

test("a feed with a secret is always asked for at its own address", async () => {
  answers.set("/secret", { status: 301, headers: { location: "/elsewhere" } });
  await _fetch("/secret", { authorization: "Bearer one" });
  await _fetch("/secret");
  await _fetch("/secret", { authorization: "Bearer one" });
  expect(_paths()).toEqual([
    "/secret",
    "/elsewhere",
    "/secret",
    "/elsewhere",
    "/secret",
    "/elsewhere",
  ]);
});

test("a feed is not fetched again while it is fresh", async () => {
  answers.set("/fresh", { headers: { "cache-control": "public, max-age=3600", age: "600" } });
  await _fetch("/fresh");
  const { not_before: until, fetched_at: fetchedAt } = (await _getState("/fresh"))!;
  expect(until - fetchedAt).toBeWithin(2_980_000, 3_000_001);

  expect(await _fetch("/fresh")).toMatchObject({
    status: "completed",
    result: { notFetched: { reason: "not-due", until: until.toISOString() } },
  });
  expect(_paths()).toEqual(["/fresh"]);

  await world.sql`update feeds set not_before = now() where source = '/fresh'`;
  expect((await _fetch("/fresh"))?.["result"]).not.toHaveProperty("notFetched");
});

test("other jobs of a feed obey its Retry-After", async () => {
  answers.set("/busy", { status: 503, headers: { "retry-after": "3600" } });
  const data = { url: `${origin}/busy`, source: "/busy" };
  const { id } = await world.accept({ type: "feed.fetch", data });
  await _until(async () => (await _getState("/busy"))?.["not_before"] instanceof Date);

  expect(await _fetch("/busy")).toMatchObject({ result: { notFetched: { reason: "not-due" } } });
  expect(_paths()).toEqual(["/busy"]);
  await world.sql`update jobs set status = 'dead' where id = ${id}`;
});
