import { afterAll, afterEach, expect, setSystemTime, test } from "bun:test";
import type { JobsOptions, Queue } from "bullmq";
import * as fc from "fast-check";
import type { DispatchEntry } from "../src/engine/redis/scripts/dispatch.ts";
import type { DispatchOptions } from "../src/engine/redis/scripts/options.ts";
import { _connect, _createSite, _dispatchEntry } from "./_dispatch.ts";

const time = 1_700_000_000_000;
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const redis = _connect();
const added = _createSite(redis);
const dispatched = _createSite(redis);

afterEach(async () => {
  setSystemTime();
  await Promise.all([added.clear(), dispatched.clear()]);
});
afterAll(() => redis.quit());

/** Adds the same job by `Queue.add`, with the clock set to the job's timestamp. */
async function add(queue: Queue, { bullId, type, data, options }: DispatchEntry) {
  const { timestamp, delayMs, traceparent: trace, ...rest } = options;
  setSystemTime(timestamp);
  const jobOptions: JobsOptions = {
    ...(rest as JobsOptions),
    jobId: bullId,
    ...(delayMs === undefined ? {} : { delay: delayMs }),
    ...(trace === undefined
      ? {}
      : { telemetry: { metadata: JSON.stringify({ traceparent: trace }) } }),
  };
  await queue.add(type, JSON.parse(data), jobOptions);
}

interface Sequence {
  prepare?: (queue: Queue, base: string) => Promise<unknown>;
  /** Each element is one call of `dispatch`. */
  calls: DispatchEntry[][];
}

async function runBoth({ prepare, calls }: Sequence) {
  const queues = [added.openQueue("q"), dispatched.openQueue("q")] as const;
  for (const [at, site] of [added, dispatched].entries()) {
    await prepare?.(queues[at]!, `${site.prefix}:{q}:`);
  }
  for (const jobs of calls) {
    for (const job of jobs) await add(queues[0], job);
    setSystemTime();
    await dispatched.dispatch("q", jobs);
  }
  const snapshots = await Promise.all([added.snapshot(), dispatched.snapshot()]);
  await Promise.all(queues.map((queue) => queue.close()));
  return snapshots;
}

async function expectSame(sequence: Sequence) {
  const [byAdd, byPlace] = await runBoth(sequence);
  expect(byPlace).toEqual(byAdd);
}

function job(options: Partial<DispatchOptions> = {}, rest: Partial<DispatchEntry> = {}) {
  return _dispatchEntry({ ...rest, options: { attempts: 3, timestamp: time, ...options } });
}

const kinds: Record<string, Partial<DispatchOptions>> = {
  plain: {},
  "with one attempt": { attempts: 1 },
  "with a fixed backoff": { backoff: { type: "fixed", delay: 1000 } },
  "with an exponential backoff": { attempts: 7, backoff: { type: "exponential", delay: 250 } },
  "with jitter": { backoff: { type: "exponential", delay: 1000, jitter: 0.25 } },
  delayed: { delayMs: 60_000 },
  "delayed by nothing": { delayMs: 0 },
  "delayed by a year": { delayMs: 365 * 24 * 60 * 60 * 1000 },
  prioritized: { priority: 5 },
  "of the lowest priority": { priority: 2_097_151 },
  "of priority 0": { priority: 0 },
  "delayed and prioritized": { delayMs: 1, priority: 5 },
  "last in first out": { lifo: true },
  "explicitly first in first out": { lifo: false },
  "prioritized, last in first out": { priority: 1, lifo: true },
  "with a trace": { traceparent },
  "with a trace and everything": {
    traceparent,
    backoff: { type: "fixed", delay: 1, jitter: 1 },
    delayMs: 5000,
    priority: 2,
    lifo: true,
    recovered: true,
  },
  "marked as recovered": { recovered: true },
  "of a tenant": { tenant: "shop" },
  "of another tenant": { tenant: "mill" },
};

test.each(Object.keys(kinds))("a job that is %s is written as BullMQ writes it", async (kind) => {
  await expectSame({ calls: [[job(kinds[kind])]] });
});

test("jobs of every kind in one call are written as BullMQ writes them", async () => {
  const jobs = Object.values(kinds).map((options) => job(options));
  await expectSame({ calls: [[...jobs, ...Object.values(kinds).map((options) => job(options))]] });
});

test("jobs of several types in one call keep their names", async () => {
  await expectSame({
    calls: [["a", "b", "a", "row.import", "b"].map((type) => job({}, { type }))],
  });
});

test("jobs already in the queue are left as BullMQ leaves them", async () => {
  const jobs = Object.values(kinds).map((options) => job(options));
  await expectSame({
    prepare: (queue) =>
      jobs.reduce((before, one) => before.then(() => add(queue, one)), Promise.resolve()),
    calls: [Object.values(kinds).map((options) => job(options))],
  });
});

const queueStates: Record<string, Sequence["prepare"]> = {
  "is paused": (queue) => queue.pause(),
  "was paused and resumed": (queue) => queue.pause().then(() => queue.resume()),
  "is below its limit of concurrency": async (queue, base) => {
    await queue.setGlobalConcurrency(2);
    await redis.lpush(`${base}active`, "one");
  },
  "is at its limit of concurrency": async (queue, base) => {
    await queue.setGlobalConcurrency(2);
    await redis.lpush(`${base}active`, "one", "two");
  },
  "is rate limited": (queue) => queue.setGlobalRateLimit(1, 1000),
  "has a version and a length of its event stream": (_queue, base) =>
    redis.hset(`${base}meta`, { version: "bullmq:6.0.0", "opts.maxLenEvents": 5000 }),
};

test.each(Object.keys(queueStates))(
  "a queue that %s is written as BullMQ writes it",
  async (state) => {
    await expectSame({
      prepare: queueStates[state]!,
      calls: [
        [job()],
        [job({ priority: 1 })],
        [job({ delayMs: 10 })],
        [job(), job({ priority: 2 })],
      ],
    });
  },
);

test("an existing id is not changed and is reported, within a call and between calls", async () => {
  const first = job();
  const second = job({ delayMs: 1000 });
  const other = job({ priority: 3 }, { bullId: first.bullId, data: '"other"', type: "other" });
  await expectSame({ calls: [[first, other, second, first], [second, other], [first]] });
});

test("dispatching the same jobs again changes nothing but events and the id counter", async () => {
  const jobs = Object.values(kinds).map((options) => job(options));
  expect(await dispatched.dispatch("q", jobs)).toBe(jobs.length);
  const { "{q}:id": _, "{q}:events": __, ...before } = withoutColon(await dispatched.snapshot());
  expect(await dispatched.dispatch("q", jobs)).toBe(0);
  const { "{q}:id": ___, "{q}:events": ____, ...after } = withoutColon(await dispatched.snapshot());
  expect(after).toEqual(before);
});

function withoutColon(keys: Record<string, unknown>) {
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [key.slice(1), value]));
}

test("many jobs due in the same millisecond keep their order", async () => {
  const jobs = Array.from({ length: 20 }, (_, n) => job({ delayMs: 1000 + (n % 2) }));
  await expectSame({ calls: [jobs.slice(0, 7), jobs.slice(7)] });
});

test("more jobs than a millisecond can order share the last score, as in BullMQ", async () => {
  await expectSame({
    prepare: (_queue, base) => redis.zadd(`${base}delayed`, (time + 1000) * 4096 + 4093, "earlier"),
    calls: [Array.from({ length: 5 }, () => job({ delayMs: 1000 }))],
  });
});

test("the priority counter wraps as BullMQ's does", async () => {
  await expectSame({
    prepare: (_queue, base) => redis.set(`${base}pc`, 2 ** 32 - 2),
    calls: [Array.from({ length: 4 }, () => job({ priority: 7 }))],
  });
});

const texts = {
  unicode: { ключ: "日本語 🐂 \u2028 é é" },
  escapes: { text: 'quote " backslash \\ newline \n NUL \u0000 DEL \u007f' },
  "binary-looking text": { text: String.fromCharCode(...Array.from({ length: 256 }, (_, n) => n)) },
  "lone surrogates": { text: "\ud800 \udfff" },
  "a large text": { text: "x".repeat(100_000) },
  "numbers, nested": [[[1e21, -0.1, 9_007_199_254_740_991]], null, true, {}],
  "a bare string": "text",
};

test.each(Object.keys(texts) as (keyof typeof texts)[])(
  "data with %s arrives unchanged",
  async (kind) => {
    await expectSame({ calls: [[job({}, { data: JSON.stringify(texts[kind]) })]] });
  },
);

test("600 jobs in one call are written as BullMQ writes them", async () => {
  const options = Object.values(kinds);
  await expectSame({
    calls: [
      Array.from({ length: 600 }, (_, n) =>
        job({ ...options[n % options.length], timestamp: time + (n >> 5) }),
      ),
    ],
  });
});

const again = job();
const trimmed: Record<string, () => DispatchEntry> = {
  "waiting jobs": () => job(),
  "delayed jobs": () => job({ delayMs: 60_000 }),
  duplicates: () => again,
};

test.each(Object.keys(trimmed))("the event stream of %s is trimmed as by BullMQ", async (kind) => {
  const maxEvents = 100;
  const snapshots = await runBoth({
    prepare: (_queue, base) => redis.hset(`${base}meta`, "opts.maxLenEvents", maxEvents),
    calls: [Array.from({ length: 300 }, trimmed[kind]!)],
  });
  const events = snapshots.map((keys) => keys[":{q}:events"]!.content as string[][]);
  // Redis trims whole nodes, whose boundaries depend on the entry ids.
  for (const { length } of events) {
    expect(length).toBeGreaterThanOrEqual(maxEvents);
    expect(length).toBeLessThan(2 * maxEvents);
  }
  expect(events[1]!.slice(-maxEvents)).toEqual(events[0]!.slice(-maxEvents));
});

const anyJob = fc
  .record({
    n: fc.nat({ max: 15 }),
    run: fc.nat({ max: 1 }),
    type: fc.constantFrom("echo", "row.import"),
    data: fc.json(),
    options: fc.record(
      {
        attempts: fc.integer({ min: 1, max: 100 }),
        timestamp: fc.integer({ min: time, max: time + 3 }),
        backoff: fc.record(
          {
            type: fc.constantFrom("fixed" as const, "exponential" as const),
            delay: fc.nat(),
            jitter: fc.constantFrom(0, 0.5, 1),
          },
          { requiredKeys: ["type", "delay"] },
        ),
        delayMs: fc.nat({ max: 3 }),
        priority: fc.nat({ max: 3 }),
        lifo: fc.boolean(),
        recovered: fc.boolean(),
        tenant: fc.constantFrom("shop", "mill"),
        traceparent: fc.constant(traceparent),
      },
      { requiredKeys: ["attempts", "timestamp"] },
    ),
  })
  .map(_dispatchEntry);

const anyState = fc.record({
  isPaused: fc.boolean(),
  concurrency: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
  active: fc.nat({ max: 2 }),
});

test("any sequence of calls results in the same Redis data as BullMQ's add", async () => {
  const anyCalls = fc.array(fc.array(anyJob, { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc
      .asyncProperty(anyState, anyCalls, async ({ isPaused, concurrency, active }, calls) => {
        await expectSame({
          async prepare(queue, base) {
            if (isPaused) await queue.pause();
            if (concurrency !== undefined) await queue.setGlobalConcurrency(concurrency);
            for (let n = 0; n < active; n += 1) await redis.lpush(`${base}active`, `active-${n}`);
          },
          calls,
        });
      })
      .afterEach(() => Promise.all([added.clear(), dispatched.clear()])),
    { numRuns: 60 },
  );
});
