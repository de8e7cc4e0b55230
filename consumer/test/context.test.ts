import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DispatchOptions } from "@toril/contract/engine/redis/scripts/options";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { echo as echoType } from "@toril/contract/api/job-types/echo";
import type { Handler } from "../src/worker/handler.ts";
import {
  _jobIn,
  _openWorld,
  _signal,
  _startConsumer,
  _startProxy,
  _until,
  type _World,
} from "./_world.ts";

let world: _World;
beforeAll(async () => {
  world = await _openWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const _item = (guid: string, changes: Record<string, unknown> = {}) =>
  ({
    type: "feed.item",
    data: {
      source: "test",
      guid,
      title: null,
      link: null,
      author: null,
      publishedAt: null,
      summary: null,
      content: null,
      categories: [],
      ...changes,
    },
  }) as JobRequest;

/** Runs one job with this handler and closes the consumer. */
async function _run(
  echo: Handler<typeof echoType>,
  env: Record<string, string> = {},
  options: Partial<DispatchOptions> = {},
) {
  const lines: Record<string, unknown>[] = [];
  await using consumer = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "default", ...env },
    handlers: { echo },
    log: (line) => lines.push(line),
  });
  const { id } = await world.accept({ type: "echo", data: { message: "parent" } }, options);
  const row = await world.waitForEnd(id);
  await consumer.close();
  return { id, row, lines };
}

describe("a handler", () => {
  test("logs with the job's id, type and attempt", async () => {
    const { id, lines } = await _run(async ({ message }, { log }) => {
      log.info({ step: 1 }, "half way");
      log.info("done");
      return { message };
    });

    const own = lines.filter((line) => line["jobId"] === id);
    expect(own).toMatchObject([
      { msg: "half way", step: 1, type: "echo", attempt: 1, level: "info" },
      { msg: "done", type: "echo", attempt: 1 },
    ]);
  });

  test("logs the tenant and the trace of its job, and the jobs that it enqueues continue that trace", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    const { id, lines } = await _run(
      async ({ message }, { log, enqueue }) => {
        log.info("mine");
        const data = { importId: crypto.randomUUID(), row: 1, values: {} };
        await enqueue([{ type: "row.import", data }]);
        return { message };
      },
      {},
      { tenant: "shop", traceparent },
    );

    expect(lines.find((line) => line["jobId"] === id)).toMatchObject({ tenant: "shop", traceId });
    const [child] = await world.sql`select trace from jobs where type = 'row.import'`;
    expect(child!["trace"]).toBe(traceparent);
  });

  test("reports progress that is visible during the attempt", async () => {
    let seen: string | undefined;
    await _run(async ({ message }, { id, progress }) => {
      progress({ done: 3, of: 4 });
      seen = await _until(async () => (await world.getHash(id))["progress"]);
      return { message };
    });

    expect(JSON.parse(seen ?? "")).toEqual({ done: 3, of: 4 });
  });

  test("enqueues valid requests and returns the refused ones", async () => {
    let children: unknown;
    await _run(async ({ message }, { enqueue }) => {
      children = await enqueue([
        _item("1"),
        _item("2", { guid: 7 }),
        _item("3", { title: "\0" }),
        _item("4", { content: "x".repeat(1_000_001) }),
        _item("1"),
        _item("5"),
      ]);
      return { message };
    });

    expect(children).toEqual({
      created: 2,
      duplicate: 1,
      refused: [
        { index: 1, detail: expect.stringContaining("guid") },
        { index: 2, detail: expect.stringContaining("NUL") },
        { index: 3, detail: "At most 1000000 bytes of data." },
      ],
    });
    const rows = await world.sql`select key from jobs where type = 'feed.item' order by key`;
    expect(rows.map((row) => row["key"])).toEqual(["test#1", "test#5"]);
    expect(await world.redis.llen(world.keys("feeds").wait)).toBe(2);
    await world.sql`delete from jobs`;
  });

  test("enqueues many jobs in several transactions", async () => {
    let children: unknown;
    await _run(async ({ message }, { enqueue }) => {
      children = await enqueue(Array.from({ length: 1200 }, (_, index) => _item(`many ${index}`)));
      return { message };
    });

    expect(children).toEqual({ created: 1200, duplicate: 0, refused: [] });
    const rows =
      await world.sql`select 1 from jobs where key like 'test#many%' group by created_at`;
    expect(rows).toHaveLength(3);
    await world.sql`delete from jobs`;
  });
});

test("jobs that a handler enqueues belong to the tenant of its job", async () => {
  await using consumer = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "default" },
    handlers: {
      async echo({ message }, { enqueue }) {
        await enqueue([_item("child")]);
        return { message };
      },
    },
  });
  const request = { type: "echo", data: { message: "parent" } } as const;
  const parent = await world.record(request, undefined, "acme");
  await world.dispatchJob(parent);
  await world.waitForEnd(parent.id);
  await consumer.close();
  const rows = await world.sql`select tenant from jobs where key = 'test#child'`;
  expect(rows.map((row) => row["tenant"])).toEqual(["acme"]);
  await world.sql`delete from jobs`;
});

test("jobs that handlers enqueue count against the quotas of the API key, and wait while a quota is exhausted", async () => {
  await world.sql`
    insert into api_keys (id, tenant, name, scopes, quotas, hash, revision)
    values ('few', 'default', 'k', '[]', '{"maxWaiting": 3, "rate": 1000}', 'few', 1)`;
  const queue = world.queue();
  await using _queue = { [Symbol.asyncDispose]: () => queue.close() };
  await using _ = await _startConsumer(world, {
    env: { BULL_QUEUE_NAME: "default" },
    handlers: {
      async echo({ message }, { enqueue }) {
        await enqueue([1, 2, 3].map((at) => _item(`${message} ${at}`)));
        return { message };
      },
    },
  });
  const start = async (message: string) => {
    const job = await world.record({ type: "echo", data: { message } });
    await world.sql`update jobs set quota_key = 'few' where id = ${job.id}`;
    await world.dispatchJob(job);
    return job.id;
  };
  expect(await world.waitForEnd(await start("first"))).toMatchObject({ status: "completed" });
  const second = await start("second");
  await _jobIn(queue, "delayed", second);
  const children = await world.sql`
    select count(*)::int as jobs from jobs where quota_key = 'few' and type = 'feed.item'`;
  expect(children[0]).toEqual({ jobs: 3 });
  expect(await world.getRow(second)).toMatchObject({ status: "pending" });
  await world.sql`delete from jobs`;
});

test("jobs that a handler enqueues while Redis is unavailable are dispatched later", async () => {
  await using redis = await _startProxy(world.redisUrl);
  const started = _signal();
  const isDisconnected = _signal();
  const enqueued = _signal<unknown>();
  await using _consumer = await _startConsumer(
    { ...world, redisUrl: redis.url },
    {
      env: { RECONCILE_GRACE_MS: "0" },
      handlers: {
        async echo({ message }, { enqueue }) {
          started.resolve();
          await isDisconnected.promise;
          enqueued.resolve(await enqueue([_item("child")]));
          return { message };
        },
      },
    },
  );
  await world.accept({ type: "echo", data: { message: "parent" } });
  await started.promise;
  redis.disconnect();
  isDisconnected.resolve();

  expect(await enqueued.promise).toEqual({ created: 1, duplicate: 0, refused: [] });
  redis.reconnect();

  const [child] = await world.sql`select id from jobs where key = 'test#child'`;
  expect(await world.waitForEnd(child?.["id"])).toMatchObject({
    status: "completed",
    result: { outcome: "new" },
  });
});
