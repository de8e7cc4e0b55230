import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";

import { startChild } from "../dev/processes/child.ts";
import { echo, getJobId, postJob } from "./_api.ts";
import { stablePort } from "../dev/processes/restartable.ts";
import { root, startStack } from "./_stack.ts";

const bin = (name: string) => join(root, "node_modules/.bin", name);

test("the bundled programs migrate, accept and process jobs and serve their pages without the rest of the project", async () => {
  await using opened = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-bundle-"));
  opened.defer(() => rmSync(dir, { recursive: true }));
  const programs = process.env["TEST_PROGRAMS"]!;
  const stack = opened.use(await startStack({ producers: 0, consumers: 0 }));
  await stack.sql`create database bundled`;
  const database = new URL(stack.postgres.url);
  database.pathname = "/bundled";
  const PORT = String(await stablePort());
  const env = stack.env({
    PORT,
    DATABASE_URL: database.href,
    FEED_ALLOW_PRIVATE_ADDRESSES: "true",
  });

  async function run(name: string, command: string, script: string) {
    const logFile = join(dir, `${name}.log`);
    const settings = { name, command: bin(command), args: [join(programs, script)], cwd: dir, env };
    const child = await startChild({ ...settings, logFile, stopMs: 30_000 });
    opened.defer(async () => void (await child.stop()));
    return child;
  }

  expect((await (await run("migrate", "node", "consumer/migrate.js")).exited).code).toBe(0);
  const url = `http://127.0.0.1:${PORT}`;
  const producer = await run("producer", "bun", "producer/main.js");
  await producer.ready(async () => (await fetch(`${url}/readyz`)).ok || undefined, {
    timeoutMs: 60_000,
  });
  await run("consumer", "node", "consumer/main.js");

  expect((await postJob(url, echo("bundled"))).status).toBe(201);
  await stack.until("the job is done", async () => {
    const { items } = (await (await fetch(`${url}/v1/jobs`)).json()) as {
      items: { status: string }[];
    };
    return items[0]?.status === "completed" || undefined;
  });

  const feed = "<rss><channel><item><guid>1</guid><title>x</title></item></channel></rss>";
  const site = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(feed) });
  opened.defer(() => site.stop(true));
  const imported = await fetch(`${url}/v1/imports?type=feed.item&source=imported`, {
    method: "POST",
    headers: { "Content-Type": "application/rss+xml" },
    body: feed,
  });
  expect(imported.status).toBe(201);
  const id = getJobId(await postJob(url, { type: "feed.fetch", data: { url: site.url.href } }));
  await stack.until("the feed is fetched", async () => {
    const found = (await (await fetch(`${url}/v1/jobs/${id}`)).json()) as {
      result: { new: number } | null;
    };
    return found.result?.new === 1 || undefined;
  });

  const board = "/admin/queues";
  const pages = ["/console", "/docs", "/docs/scalar.js", "/openapi.yaml", "/metrics", board];
  for (const page of [...pages, `${board}/static/favicon-32x32.png`, `${board}/api/queues`]) {
    expect({ page, status: (await fetch(url + page)).status }).toEqual({ page, status: 200 });
  }
  const console = await (await fetch(`${url}/console`)).text();
  for (const [, path] of console.matchAll(/"(\/console\/assets\/[^"]+)"/g)) {
    expect((await fetch(url + path)).status).toBe(200);
  }
});
