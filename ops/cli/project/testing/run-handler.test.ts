import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "bun:test";
import { z } from "zod";
import { defineConfig, defineJob, NonRetryableError, RetryAfterError } from "../index.ts";
import { runHandler } from "./index.ts";

const remind = defineJob({
  type: "remind",
  queue: "mail",
  data: z.strictObject({ what: z.string().default("nothing"), waitMs: z.int().default(0) }),
  result: z.strictObject({ sentAt: z.iso.datetime(), by: z.string() }),
  timeoutMs: 60_000,
});

let isClosed = false;

const project = defineConfig({
  jobTypes: [remind],
  context({ onClose }) {
    onClose(() => (isClosed = true));
    return { sender: "the real sender" };
  },
  handlers: {
    async remind({ what, waitMs }, { sender, signal, log, progress, enqueue, attempt }) {
      log.info({ what }, "reminding");
      progress({ attempt });
      if (what === "later") throw new RetryAfterError(new Date("2026-01-02"), "too early");
      if (what === "invalid") throw new NonRetryableError("invalid");
      if (what === "error") throw new Error("failed");
      if (what === "another") await enqueue([{ type: "remind", data: { what: "nothing" } }]);
      for (let waited = 0; waited < waitMs && !signal.aborted; waited += 1000) await wait(1000);
      signal.throwIfAborted();
      return { sentAt: new Date().toISOString(), by: sender };
    },
  },
  middleware: [
    async ({ context }, next) => {
      const result = (await next()) as { by: string };
      return { ...result, by: `${result.by}, attempt ${context.attempt}` };
    },
  ],
});

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a handler runs with a given context and a fake clock", async () => {
  const now = new Date("2026-01-01T00:00:00Z");
  const context = { sender: "a test" };
  const run = await runHandler(project, remind, { waitMs: 30_000 }, { context, now, attempt: 2 });
  expect(run).toEqual({
    outcome: "completed",
    result: { sentAt: "2026-01-01T00:00:30.000Z", by: "a test, attempt 2" },
    logs: [{ level: "info", args: [{ what: "nothing" }, "reminding"] }],
    progress: { attempt: 2 },
    enqueued: [],
  });
  // The clock is the real one again.
  await sleep(1);
  expect(Date.now()).toBeGreaterThan(+now);
});

test("without a context, the project's own is opened and closed", async () => {
  const run = await runHandler(project, remind, {});
  expect(run.result?.by).toBe("the real sender, attempt 1");
  expect(isClosed).toBe(true);
});

test("the timeout of the type ends an attempt", async () => {
  const run = await runHandler(project, remind, { waitMs: 3_600_000 }, { now: "2026-01-01" });
  expect(run).toMatchObject({ outcome: "retried", error: { message: "timed out after 60000 ms" } });
});

test.each([
  ["later", 1, "delayed"],
  ["invalid", 1, "dead"],
  ["error", 1, "retried"],
  ["error", 3, "dead"],
] as const)("the outcome of %s in attempt %i is %s", async (what, attempt, outcome) => {
  expect((await runHandler(project, remind, { what }, { attempt })).outcome).toBe(outcome);
});

test("jobs that a handler enqueues are collected", async () => {
  const run = await runHandler(project, remind, { what: "another" });
  expect(run.enqueued).toEqual([{ type: "remind", data: { what: "nothing" } }]);
});

test("data and results are validated as in a consumer", async () => {
  const run = await runHandler(project, remind, { what: 7 } as never);
  expect(run).toMatchObject({ outcome: "dead", error: { name: "NonRetryableError" } });
});

test("the context may not replace a field of the attempt", async () => {
  const running = runHandler(project, remind, {}, { context: { sender: "", id: "7" } as never });
  expect(running).rejects.toThrow("the context has id");
});
