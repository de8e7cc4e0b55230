import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "bun:test";

import { dumpPostgres, dumpRedis } from "./_dump.ts";
import { startStack, type Stack } from "./_stack.ts";

const words = "swordfish-1234567890";
const authorization = `Bearer ${words}`;
const rss = `<rss version="2.0"><channel><title>T</title>
  <item><guid isPermaLink="false">1</guid><title>One</title></item></channel></rss>`;
const keys = Array.from({ length: 2 }, (_, index) => {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `key${index}:${Buffer.from(bytes).toString("base64")}`;
});

let stack: Stack;
let server: Server;
let origin: string;
/** What the server was sent, by path. */
const authorized = new Map<string, (string | undefined)[]>();

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? "";
    const seen = [...(authorized.get(path) ?? []), request.headers.authorization];
    authorized.set(path, seen);
    if (request.headers.authorization !== authorization) response.writeHead(401).end();
    else if (path === "/flaky" && seen.length === 1) response.writeHead(503).end();
    else response.setHeader("content-type", "application/xml").end(path === "/page" ? "" : rss);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  stack = await startStack({
    env: {
      SECRET_KEYS: keys.join(","),
      FEED_ALLOW_PRIVATE_ADDRESSES: "true",
      LOG_LEVEL: "trace",
    },
  });
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await stack[Symbol.asyncDispose]();
});

function _request(path: string) {
  return {
    type: "feed.fetch",
    data: { url: `${origin}${path}`, source: path, authorization },
  } as const;
}

async function _post(path: string, body: string, contentType = "application/json") {
  const response = await fetch(`${stack.producers[0]!.url}${path}`, {
    method: "POST",
    headers: { "Content-Type": contentType, "Idempotency-Key": crypto.randomUUID() },
    body,
  });
  return response.text();
}

test("a private feed is fetched, and its secret appears only in the request to the feed", async () => {
  const responses: string[] = [];
  const paths = ["/single", "/flaky", "/page", "/bulk", "/csv", "/delayed"];
  responses.push(
    await _post("/v1/jobs", JSON.stringify(_request("/single"))),
    await _post("/v1/jobs", JSON.stringify(_request("/flaky"))),
    await _post("/v1/jobs", JSON.stringify(_request("/page"))),
    await _post("/v1/jobs", JSON.stringify({ ..._request("/delayed"), delayMs: 3_600_000 })),
    await _post("/v1/jobs", JSON.stringify({ ..._request("/x"), data: { authorization } })),
    await _post(
      "/v1/jobs/bulk?atomicity=partial",
      JSON.stringify([_request("/bulk"), { authorization }]),
    ),
    await _post(
      "/v1/imports?type=feed.fetch",
      `url,source,authorization\n${origin}/csv,/csv,${authorization}\nnonsense,,${authorization}\n`,
      "text/csv",
    ),
  );
  await stack.until("all but the delayed one have ended", async () => {
    const [row] = await stack.sql`select count(*)::int as left from jobs where status = 'pending'`;
    return row?.["left"] === 1 || undefined;
  });

  const { items } = await stack.client.listJobs({ type: "feed.fetch" });
  expect(items.map((job) => (job.data as { source: string }).source).toSorted()).toEqual(
    paths.toSorted(),
  );
  const statuses = new Map(
    items.map((job) => [(job.data as { source: string }).source, job.status]),
  );
  expect(Object.fromEntries(statuses)).toEqual({
    "/single": "completed",
    "/flaky": "completed",
    "/page": "dead",
    "/bulk": "completed",
    "/csv": "completed",
    "/delayed": "pending",
  });
  expect(authorized.get("/flaky")).toEqual([authorization, authorization]);

  const producer = stack.producers[0]!.url;
  const queue = "feeds";
  for (const [url, part] of [
    [`${producer}/v1/jobs?limit=500`, "[secret]"],
    ...items.map((job): [string, string] => [`${producer}/v1/jobs/${job.id}`, "[secret]"]),
    [`${producer}/metrics`, "http_request_duration_seconds"],
    [`${stack.consumers[0]!.url}/metrics`, "toril_"],
    [`${producer}/admin/queues/api/queues?activeQueue=${queue}&status=delayed`, "[secret]"],
    [`${producer}/admin/queues/api/queues?activeQueue=${queue}&status=failed`, "[secret]"],
  ] as const) {
    const text = await (await fetch(url)).text();
    expect(text, url).toContain(part);
    responses.push(text);
  }
  const dumps = {
    redis: await dumpRedis(stack.redisClient),
    postgres: await dumpPostgres(stack.sql),
    logs: [...stack.producers, ...stack.consumers].map((app) => app.log()).join("\n"),
    answers: responses.join("\n"),
  };
  // Each has what it was looked through for: the jobs, and no less of them than was sent.
  for (const [name, text] of Object.entries(dumps)) {
    expect(text, name).toContain(items[0]!.id);
    expect(text, name).not.toContain(words);
    expect(text, name).not.toContain(encodeURIComponent(authorization));
    expect(text, name).not.toContain(Buffer.from(authorization).toString("base64").slice(0, -4));
    for (const key of keys) expect(text, name).not.toContain(key.slice(key.indexOf(":") + 1));
  }
  expect(dumps.redis.match(/sealed:1:key0:/g)?.length).toBeGreaterThanOrEqual(2);
  expect(dumps.postgres.match(/sealed:1:key0:/g)?.length).toBe(paths.length);
});
