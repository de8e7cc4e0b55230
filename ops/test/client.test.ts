import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type ClientOptions,
  createClient,
  JobCancelledError,
  JobDeadError,
  JobExpiredError,
  ResultTimeoutError,
  TorilError,
} from "@toril/client";
import { echo as echoType } from "@toril/contract/api/job-types/echo";
import openApi from "../../openapi.yaml";
import { _startCuttingProxy } from "./_cutting-proxy.ts";
import { startStack, type Stack } from "./_stack.ts";

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ consumers: 1 });
});
afterAll(() => stack?.[Symbol.asyncDispose]());

const baseUrl = () => stack.producers[0]!.url;
const open = (options: Partial<ClientOptions> = {}) =>
  createClient({ baseUrl: baseUrl(), ...options });

async function countJobs(prefix: string): Promise<number> {
  const [row] = await stack.sql<{ count: number }[]>`
    select count(*)::int as count from jobs where data ->> 'message' like ${`${prefix} %`}`;
  return row!.count;
}

test("the client has a function for each operation", () => {
  const { paths } = openApi as { paths: Record<string, Record<string, { operationId?: string }>> };
  const operations = Object.values(paths).flatMap((path) =>
    Object.values(path).flatMap(({ operationId }) => operationId ?? []),
  );
  expect(operations).toContain("takeJobs");
  const client = open();
  // The errors of an import are opened as a stream; a process manager asks whether the process is alive.
  const others = ["listImportErrors", "getLiveness"];
  expect(operations.filter((name) => !(name in client))).toEqual(others);
});

test("an enqueued job returns its result", async () => {
  const job = await open().enqueue(echoType, { message: "hello", sleepMs: 100 });
  expect(job).toMatchObject({ type: "echo", outcome: "created" });
  expect((await job.result()).message).toBe("hello");
  expect((await open().waitForResult<typeof echoType>(job.id)).message).toBe("hello");
});

test("the result of a job that ended otherwise is a typed error with the job", async () => {
  const client = open();
  const failing = await client.enqueue(echoType, { message: "x", failures: 9 }, { attempts: 1 });
  const dead = await failing.result().catch((error: unknown) => error);
  expect(dead).toBeInstanceOf(JobDeadError);
  expect(dead).toMatchObject({ job: { id: failing.id, status: "dead", attempts: { made: 1 } } });
  expect((dead as JobDeadError).message).toContain((dead as JobDeadError).job.error!.message);

  const delayed = await client.enqueue(echoType, { message: "x" }, { delayMs: 600_000 });
  const ending = delayed.result().catch((error: unknown) => error);
  await client.cancelJob(delayed.id);
  expect(await ending).toBeInstanceOf(JobCancelledError);

  await client.pauseQueue("default");
  const expiresAt = new Date(Date.now() + 2000).toISOString();
  const late = await client.enqueue(echoType, { message: "x" }, { expiresAt });
  await expect(late.result()).rejects.toBeInstanceOf(JobExpiredError);
  await client.resumeQueue("default");
});

test("waiting for a result ends after timeoutMs, and on abort", async () => {
  const job = await open().enqueue(echoType, { message: "x" }, { delayMs: 600_000 });
  await expect(job.result({ timeoutMs: 50 })).rejects.toBeInstanceOf(ResultTimeoutError);
  const signal = AbortSignal.timeout(50);
  await expect(job.result({ signal })).rejects.toMatchObject({ name: "TimeoutError" });
  await open().cancelJob(job.id);
});

const count = 60;

test.each([
  ["single requests", {}, "single"],
  ["bulk requests", { batch: { maxJobs: 5 } }, "bulk"],
])("through connections that are cut, %s enqueue each job once", async (_, options, prefix) => {
  using proxy = await _startCuttingProxy(new URL(baseUrl()));
  const retry = { attempts: 20, delayMs: 10, maxDelayMs: 100 };
  const client = open({ ...options, baseUrl: proxy.url, retry });
  const jobs = await Promise.all(
    Array.from({ length: count }, (_, number) =>
      client.enqueue(echoType, { message: `${prefix} ${number}` }),
    ),
  );
  expect(new Set(jobs.map(({ id }) => id)).size).toBe(count);
  const results = await Promise.all(jobs.map((job) => job.result()));
  expect(results.map(({ message }) => message)).toEqual(
    Array.from({ length: count }, (_, number) => `${prefix} ${number}`),
  );
  expect(await countJobs(prefix)).toBe(count);
  expect(proxy.countCuts()).toBeGreaterThan(count / 5);
});

test("in a batch, a job that does not match its schema is rejected alone", async () => {
  const client = open({ batch: true });
  const [good, bad, unknown] = await Promise.allSettled([
    client.enqueue(echoType, { message: "good" }),
    client.enqueue("echo", { message: 1 }),
    client.enqueue("no.such.type", {}),
  ]);
  expect(good).toMatchObject({ status: "fulfilled", value: { outcome: "created" } });
  expect(bad).toMatchObject({ reason: { problem: { errors: [{ pointer: "/data/message" }] } } });
  expect(unknown).toMatchObject({ reason: expect.any(TorilError) });
  await expect(open({ batch: true }).enqueue("echo", {})).rejects.toBeInstanceOf(TorilError);
});

test("a second job with the same key is a duplicate, also within a batch", async () => {
  const client = open({ batch: true });
  const options = { key: "client-test", delayMs: 600_000 };
  const [one, two] = await Promise.all([
    client.enqueue(echoType, { message: "x" }, options),
    client.enqueue(echoType, { message: "x" }, options),
  ]);
  expect(two).toMatchObject({ id: one.id, outcome: "duplicate" });
});
