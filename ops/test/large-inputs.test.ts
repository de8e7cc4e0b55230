import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { echo, postJob } from "./_api.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ producers: 1, consumers: 0, env: { REQUEST_TIMEOUT_MS: "60000" } });
});
afterAll(() => stack[Symbol.asyncDispose]());

const entry = (n: number) => ({ type: "echo", data: { message: `${n} ${"x".repeat(3000)}` } });
const columns = (count: number) => Array.from({ length: count }, (_, n) => `c${n}`).join();
const rows = (count: number, width: number) => `1${",".repeat(width - 1)}\n`.repeat(count);

/** What each answers, and how it is sent. */
const inputs: [status: number, path: string, contentType: string, body: () => string][] = [
  [400, "/v1/jobs/bulk", "application/json", () => "[".repeat(32_000_000)],
  [422, "/v1/jobs/bulk", "application/x-ndjson", () => "[".repeat(32_000_000)],
  [413, "/v1/jobs/bulk", "application/json", () => `[${"[],".repeat(10_000_000)}0]`],
  [
    201,
    "/v1/jobs/bulk",
    "application/json",
    () => JSON.stringify(Array.from({ length: 10_000 }, (_, n) => entry(n))),
  ],
  [
    422,
    "/v1/imports?type=row.import",
    "text/csv",
    () => `${columns(100_000)}\n${rows(10, 100_000)}`,
  ],
  [201, "/v1/imports?type=row.import", "text/csv", () => `${columns(2000)}\n${rows(300, 2000)}`],
];

test("a producer answers other clients while it reads the largest inputs, using less than 400 MB", async () => {
  const { url, pid } = stack.producers[0]!;
  const done = new AbortController();
  let mostTicks = 0;
  async function postAlong() {
    while (!done.signal.aborted) {
      const before = mainThreadTicks(pid);
      expect((await postJob(url, echo("small"))).status).toBe(201);
      mostTicks = Math.max(mostTicks, mainThreadTicks(pid) - before);
      await new Promise(setImmediate);
    }
  }
  const posting = postAlong();
  const ticksBefore = mainThreadTicks(pid);
  try {
    for (const [status, path, contentType, body] of inputs) {
      const headers = {
        "Content-Type": contentType,
        "Idempotency-Key": `${contentType} ${status}`,
      };
      const answer = await fetch(`${url}${path}`, { method: "POST", headers, body: body() });
      expect([answer.status, path]).toEqual([status, path]);
      await answer.text();
    }
  } finally {
    done.abort();
    await posting;
  }
  // An event loop that a large input blocks does much of its work between a small request and its response.
  expect(mostTicks).toBeLessThan((mainThreadTicks(pid) - ticksBefore) / 10);
  expect(peakMegabytes(pid)).toBeLessThan(400);
});

/** Returns the CPU time of the thread that runs the event loop of a process, in clock ticks. */
function mainThreadTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, "utf8");
  // The name, in parentheses, may contain spaces; user and system time are the 14th and 15th field.
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return Number(user) + Number(system);
}

function peakMegabytes(pid: number): number {
  const [, kilobytes] =
    /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) / 1000;
}
