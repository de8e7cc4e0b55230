import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Worker } from "bullmq";
import { echo } from "@toril/contract/api/job-types/echo";
import { startService, type TestService } from "../cli/project/testing/index.ts";
import { countTo, greet, sendWelcome } from "./_project/jobs.ts";

const dir = mkdtempSync(join(tmpdir(), "toril-project-"));
const traceFile = join(dir, "trace");
const opening = new AsyncDisposableStack();
let service: TestService;

beforeAll(async () => {
  opening.defer(() => rmSync(dir, { recursive: true }));
  service = opening.use(
    await startService(new URL("_project/toril.config.ts", import.meta.url), {
      env: { PROJECT_TRACE: traceFile },
    }),
  );
});
afterAll(() => opening.disposeAsync());

const readTrace = () => readFileSync(traceFile, "utf8").trim().split("\n");

test("handlers get the project's context, and middleware runs around them", async () => {
  const job = await service.client.enqueue(greet, { name: "Ada" });
  expect(await job.result()).toEqual({ text: "Hello Ada", steps: ["Hello middleware"] });
  expect(readTrace()).toEqual(["opened", "greet starts", "greet ends"]);
});

test("the defaults of the project apply to its job types", async () => {
  const job = await service.client.enqueue(greet, { name: "Ada", failures: 9 });
  const error: unknown = await job.result().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ job: { status: "dead", attempts: { made: 2, max: 2 } } });
});

test("a sandboxed handler of the project runs in a thread", async () => {
  const job = await service.client.enqueue(countTo, { to: 1000 });
  expect(await job.result()).toEqual({ count: 1000, isThread: true });
});

test("the job types of a plug-in are served, too", async () => {
  const job = await service.client.enqueue(echo, { message: "hello" });
  expect(await job.result()).toEqual({ message: "hello" });
});

test("a stock BullMQ worker processes a type without a handler", async () => {
  const processor = async ({ name, data }: { name: string; data: { userId: number } }) => ({
    messageId: `${name} to ${data.userId}`,
  });
  const worker = new Worker("{mail}", processor, { connection: { url: service.redisUrl } });
  try {
    const job = await service.client.enqueue(sendWelcome, { userId: 7 }, { key: "welcome-7" });
    expect(await job.result()).toEqual({ messageId: "send-welcome to 7" });
  } finally {
    await worker.close();
  }
});

test("the concurrency of a queue is that of the project", async () => {
  const { items } = await service.client.listQueues();
  const concurrency = items.map(({ name, workers }) => [name, workers[0]?.concurrency]);
  expect(Object.fromEntries(concurrency)).toMatchObject({ greetings: 3, reports: 100 });
});

test("the context is closed with the consumer", async () => {
  await service[Symbol.asyncDispose]();
  expect(readTrace().at(-1)).toBe("closed");
});
