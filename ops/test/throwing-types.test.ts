import { createClient } from "@toril/client";
import { createRegistry, defineJob } from "@toril/contract";
import { bullName } from "@toril/contract/engine/redis/names";
import { Worker } from "bullmq";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { z } from "zod";
import { testRedisUrl } from "../../contract/test/_stores.ts";
import { _startOwnService } from "./_own-service.ts";

const data = z
  .strictObject({
    url: z.string(),
    size: z.string().transform((text) => (text === "?" ? _throw() : text)),
  })
  .meta({ example: { url: "http://a.example", size: "1" } });
const result = z.strictObject({
  width: z.int().transform((width) => (width < 0 ? _throw() : width > 9 ? BigInt(width) : width)),
});

/** A type whose functions throw for some data. */
const _define = <Type extends string, Kind extends "handler" | "pull">(type: Type, worker: Kind) =>
  defineJob({
    type,
    queue: type,
    worker,
    data,
    result,
    attempts: 2,
    backoff: { type: "fixed", delay: 1 },
    key: ({ url }) => (url === "keyless" ? _throw() : undefined),
    rateLimit: { by: ({ url }) => new URL(url).host, max: 100, durationMs: 1 },
    fromRow: ({ values }) => (values["url"] === "row" ? _throw() : values),
  });

const handled = _define("test.handled", "handler");
const pulled = _define("test.pulled", "pull");
const stock = defineJob({ type: "test.stock", queue: "stock", worker: "bullmq", data, result });

function _throw(): never {
  throw new TypeError("not for this value");
}

let service: Awaited<ReturnType<typeof _start>>;
const _start = () =>
  _startOwnService(createRegistry([handled, pulled, stock]), {
    "test.handled": async ({ size }) => ({ width: Number(size) }),
  });
beforeAll(async () => {
  service = await _start();
});
afterAll(() => service[Symbol.asyncDispose]());

const _client = () =>
  createClient<[typeof handled, typeof pulled, typeof stock]>({ baseUrl: service.url.href });
const good = { url: "http://a.example", size: "1" };
const failed = "The schema failed: TypeError: not for this value";

test("a request is refused with a pointer, an entry or a row alone", async () => {
  const client = _client();
  const type = "test.handled";
  await expect(client.createJob({ type, data: { ...good, size: "?" } })).rejects.toMatchObject({
    problem: { status: 422, errors: [{ pointer: "/data", detail: failed }] },
  });
  await expect(client.createJob({ type, data: { ...good, url: "keyless" } })).rejects.toMatchObject(
    {
      problem: { status: 422, errors: [{ pointer: "/key" }] },
    },
  );
  const schedule = { everyMs: 3_600_000, job: { type, data: { ...good, size: "?" } } } as const;
  await expect(client.putSchedule("throwing", schedule)).rejects.toMatchObject({
    problem: { status: 422, errors: [{ pointer: "/job/data", detail: failed }] },
  });
  const bulk = await client.createJobs(
    [
      { type, data: { ...good, size: "?" } },
      { type, data: { ...good, url: "keyless" } },
      { type, data: good },
    ],
    { atomicity: "partial" },
  );
  expect(bulk.counts).toEqual({ created: 1, duplicate: 0, rejected: 2 });
  const csv = "url,size\nhttp://a.example,1\nrow,1\nkeyless,1\nhttp://a.example,?\n";
  const created = await client.createImport(csv, { type });
  expect(created.counts).toMatchObject({ read: 4, accepted: 1, rejected: 3 });
});

test("a handler's job fails by its retry policy, and the jobs beside it run", async () => {
  const client = _client();
  const bad = await client.enqueue(handled, { ...good, url: "no URL" });
  const negative = await client.enqueue(handled, { ...good, size: "-1" });
  const next = await client.enqueue(handled, good);
  expect(await next.result()).toEqual({ width: 1 });
  for (const job of [bad, negative]) await expect(job.result()).rejects.toThrow();
  expect(await client.getJob(bad.id)).toMatchObject({
    status: "dead",
    attempts: { made: 2, max: 2 },
    error: { name: "TypeError", message: expect.stringContaining("URL") },
  });
});

test("a worker gets the other jobs of the queue, and its other results are settled", async () => {
  const client = _client();
  const bad = await client.enqueue(pulled, { ...good, url: "no URL" });
  for (let count = 0; count < 3; count += 1) await client.enqueue(pulled, good);
  const { jobs } = await client.takeJobs({ types: ["test.pulled"], max: 10 });
  expect(jobs.map((job) => job.data)).toEqual([good, good, good]);
  const widths = [-1, 10, 1];
  const { results } = await client.finishJobs({
    results: jobs.map(({ id, lease }, index) => ({
      id,
      lease,
      outcome: "completed" as const,
      result: { width: widths[index] },
    })),
  });
  expect(results.map(({ outcome, job }) => [outcome, job])).toEqual([
    ["invalid-result", "retried"],
    ["invalid-result", "retried"],
    ["settled", "completed"],
  ]);
  // The second attempt of the job is its last one.
  await expect(
    Promise.all([bad.result(), client.takeJobs({ types: ["test.pulled"], waitMs: 2000 })]),
  ).rejects.toMatchObject({ job: { error: { name: "TypeError" } } });
});

test("the results of stock workers are settled, each on its own", async () => {
  const client = _client();
  const connection = new Redis(testRedisUrl, { maxRetriesPerRequest: null });
  const worker = new Worker<z.output<typeof data>>(
    bullName("stock"),
    async ({ data: { size } }) => ({ width: Number(size) }),
    { connection, prefix: service.prefix },
  );
  try {
    const [bad, big, ok] = await Promise.all(
      ["-1", "10", "1"].map((size) => client.enqueue(stock, { ...good, size })),
    );
    expect(await ok!.result()).toEqual({ width: 1 });
    for (const job of [bad!, big!]) {
      await expect(job.result()).rejects.toMatchObject({
        job: { error: { name: "InvalidResult" } },
      });
    }
  } finally {
    await worker.close();
    connection.disconnect();
  }
});
