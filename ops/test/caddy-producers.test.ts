import { afterAll, beforeAll, expect, test } from "bun:test";

import { echo, getJobId, postJob } from "./_api.ts";
import { startCaddy, type Caddy } from "../dev/processes/caddy.ts";
import { findMissingJobs } from "./_ledger.ts";
import { startStack, type App, type Stack } from "./_stack.ts";

let stack: Stack;
let caddy: Caddy;

beforeAll(async () => {
  stack = await startStack({ producers: 2, consumers: 1 });
  caddy = await startCaddy(stack.producers.map(({ url }) => url));
});

afterAll(async () => {
  await caddy[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

test("the producers share the requests", async () => {
  const send = async () => expect((await postJob(caddy.url, echo("shared"))).status).toBe(201);
  for (let wave = 0; wave < 20; wave += 1) await Promise.all(Array.from({ length: 20 }, send));
  const shares = await Promise.all(stack.producers.map(_countPosts));
  for (const share of shares) expect(share).toBeGreaterThan(100);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBe(400);
});

test("a file is imported completely through Caddy, and the documentation and the dashboard are served", async () => {
  const rows = Array.from({ length: 3000 }, (_, index) => `${index},thing ${index}`);
  const response = await fetch(`${caddy.url}/v1/imports?type=row.import`, {
    method: "POST",
    headers: { "Content-Type": "text/csv" },
    body: ["id,name", ...rows].join("\n"),
  });
  expect(response.status).toBe(201);
  const { id } = (await response.json()) as { id: string };
  await stack.until("it is done", async () => {
    const { status, counts } = await _getJson(`${caddy.url}/v1/imports/${id}`);
    return (status === "done" && counts.completed === 3000) || undefined;
  });
  for (const page of ["/docs", "/admin", "/admin/queues"]) {
    expect((await fetch(`${caddy.url}${page}`)).status).toBe(200);
  }
  for (const page of ["/", "/admin", "/admin/queues"]) {
    const board = await fetch(`${caddy.dashboardUrl}${page}`);
    expect(await board.text()).toContain("Toril");
  }
  expect((await fetch(`${caddy.dashboardUrl}/v1/jobs`)).status).toBe(404);
});

test("without Redis the producers stay in rotation, and jobs are recorded", async () => {
  await stack.redis.kill("SIGKILL");
  const answer = await stack.until("both notice", async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => postJob(caddy.url, echo("recorded"))),
    );
    return answers.every(({ status }) => status === 202) ? answers[0] : undefined;
  });
  expect(answer.status).toBe(202);
  await stack.redis.restart();
});

test("no repeatable request fails when a producer is killed under load", async () => {
  const [doomed] = stack.producers as [App];
  const ids: string[] = [];
  const failures: unknown[] = [];
  let probeCount = 0;
  const stopping = new AbortController();

  async function post(line: number) {
    for (let index = 0; !stopping.signal.aborted; index += 1) {
      const name = `${line}-${index}`;
      await postJob(caddy.url, echo(name), { idempotencyKey: name })
        .then(getJobId)
        .then((id) => ids.push(id))
        .catch((error: unknown) => failures.push(error));
    }
  }
  async function get() {
    while (!stopping.signal.aborted) {
      const { status } = await fetch(`${caddy.url}/v1/jobs?limit=1`);
      if (status !== 200) failures.push(status);
      probeCount += 1;
    }
  }

  const lines = [...Array.from({ length: 32 }, (_, line) => post(line)), get(), get()];
  const goOn = (more: number, from = ids.length, probesBefore = probeCount) =>
    stack.until(
      "the load continues",
      async () => (ids.length > from + more && probeCount > probesBefore + 50) || undefined,
    );
  await goOn(1000);
  await doomed.kill("SIGKILL");
  await goOn(2000);
  await doomed.restart();
  await stack.until(
    "the restarted producer gets requests",
    async () => (await _countPosts(doomed)) || undefined,
  );
  stopping.abort();
  await Promise.all(lines);

  expect(failures).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(await findMissingJobs(stack.sql, ids)).toEqual([]);
});

async function _countPosts({ url }: App): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line = /^http_request_duration_seconds_count\{.*method="POST".*\} (\d+)$/gm;
  return [...metrics.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function _getJson(url: string) {
  return (await (await fetch(url)).json()) as { status: string; counts: { completed: number } };
}
