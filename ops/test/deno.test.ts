import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createClient } from "@toril/client";
import { Import } from "@toril/contract/api/import";

import project from "../../package.json" with { type: "json" };
import { startChild } from "../dev/processes/child.ts";
import { echo, getJobId, postJob } from "./_api.ts";
import {
  startRestartable,
  stablePort,
  type RestartableProcess,
} from "../dev/processes/restartable.ts";
import { root, startStack, type Stack } from "./_stack.ts";

let stack: Stack;
let deno: RestartableProcess;
let dir: string;
let url: string;
let metricsPort: number;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "toril-deno-"));
  const [program = "", ...options] = build.split(" ");
  expect(spawnSync(program, options, { cwd: root }).status).toBe(0);
  stack = await startStack({ producers: 0 });
  const port = await stablePort();
  metricsPort = await stablePort();
  url = `http://127.0.0.1:${port}`;
  deno = await startRestartable(() => startOnDeno(port));
});

afterAll(async () => {
  await deno?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

test("a consumer on Node settles jobs that a producer on Deno accepts", async () => {
  const id = getJobId(await postJob(url, echo("from Deno")));
  const client = createClient({ baseUrl: url });
  const job = await stack.until("it is settled", async () => {
    const found = await client.getJob(id);
    return found.status === "pending" ? undefined : found;
  });
  expect(job).toMatchObject({ status: "completed", result: { message: "from Deno" } });
});

test("a producer on Deno streams events and waits for a job's result", async () => {
  const client = createClient({ baseUrl: url });
  const data = { message: "waited for", sleepMs: 300 };
  const ended = await client.createJob({ type: "echo", data }, { wait: 30 });
  expect(ended).toMatchObject({ status: "completed", result: { message: "waited for" } });
  const { id } = await client.createJob({ type: "echo", data });
  const events = await Array.fromAsync(client.followJob(id));
  expect([events[0]?.event, events.at(-1)?.event]).toEqual(["snapshot", "completed"]);
});

test("a producer on Deno imports a file", async () => {
  const response = await fetch(`${url}/v1/imports?type=row.import`, {
    method: "POST",
    headers: { "Content-Type": "text/csv" },
    body: "name,price\nbull,1\ncow,2\n",
  });
  expect(response.status).toBe(201);
  const location = response.headers.get("Location");
  const done = await stack.until("it is done", async () => {
    const found = Import.parse(await (await fetch(`${url}${location}`)).json());
    return found.status === "done" ? found : undefined;
  });
  expect(done.counts).toMatchObject({ accepted: 2, completed: 2 });
});

test("a producer on Deno parses a feed in a worker thread", async () => {
  const response = await fetch(`${url}/v1/imports?type=feed.item&source=deno`, {
    method: "POST",
    headers: { "Content-Type": "application/rss+xml" },
    body: "<rss><channel><item><guid>1</guid></item><item><guid>2</guid></item></channel></rss>",
  });
  expect(Import.parse(await response.json()).counts).toMatchObject({ read: 2, accepted: 2 });
});

test.each(["/livez", "/readyz", "/metrics", "/docs", "/docs/scalar.js", "/openapi.json"])(
  "a producer on Deno serves %s",
  async (path) => {
    const response = await fetch(`${url}${path}`);
    expect(response.status).toBe(200);
    expect((await response.text()).length).toBeGreaterThan(0);
  },
);

test("a producer on Deno serves the dashboard and its assets", async () => {
  const page = await (await fetch(`${url}/admin/queues`)).text();
  const script = /src="([^"]+\.js)"/.exec(page)?.[1];
  const file = await fetch(new URL(script ?? "", `${url}/admin/queues/`));
  expect(file.headers.get("Content-Type")).toStartWith("text/javascript");
});

test("a producer on Deno serves metrics on METRICS_PORT", async () => {
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain("process_cpu_seconds_total");
  expect((await fetch(`http://127.0.0.1:${metricsPort}/v1/jobs`)).status).toBe(404);
});

test("a producer on Deno whose port is in use exits with an error that names the port", async () => {
  const second = Bun.spawn([findDeno(), ...args], {
    cwd: root,
    env: stack.env({ PORT: new URL(url).port }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  expect(await second.stderr.text()).toBe(`producer: PORT ${new URL(url).port} is taken\n`);
  expect(await second.exited).toBe(1);
});

test("a producer on Deno answers requests in flight before it stops", async () => {
  const body = new TransformStream<Uint8Array, Uint8Array>();
  const answer = fetch(`${url}/v1/imports?type=row.import`, {
    method: "POST",
    headers: { "Content-Type": "text/csv" },
    body: body.readable,
  });
  const writer = body.writable.getWriter();
  await writer.write(new TextEncoder().encode("name\none\n"));
  // The client is aborted.
  const events = await fetch(`${url}/v1/events`);
  await deno.kill("SIGTERM");
  await stack.until("it drains", async () => deno.log().includes("draining") || undefined);
  await writer.write(new TextEncoder().encode("two\n"));
  await writer.close();
  expect((await answer).status).toBe(201);
  await events.text();
  expect((await deno.exited).code).toBe(0);
});

/** The program itself: what npm puts on the PATH starts it as a child, and passes no signal on. */
function findDeno(): string {
  const require = createRequire(join(root, "package.json"));
  const { runInstall } = require("deno/install_api.cjs") as { runInstall(): string };
  return runInstall();
}

const [build = "", run = ""] = project.scripts["producer:deno"].split(" && ");
const [, ...args] = run.split(" ");

async function startOnDeno(port: number) {
  const child = await startChild({
    name: "producer on Deno",
    command: findDeno(),
    args,
    cwd: root,
    env: stack.env({ PORT: String(port), METRICS_PORT: String(metricsPort) }),
    logFile: join(dir, "deno.log"),
    stopMs: 40_000,
  });
  await child.ready(async () => (await fetch(`${url}/readyz`)).ok || undefined, {
    timeoutMs: 60_000,
  });
  return child;
}
