import { afterAll, afterEach, expect, test } from "bun:test";
import { type Job, type Processor, Worker } from "bullmq";
import { bullName } from "../src/engine/redis/names.ts";
import { isRecovered } from "../src/engine/redis/scripts/options.ts";
import { _connect, _createSite, _dispatchEntry } from "./_dispatch.ts";

const redis = _connect();
const site = _createSite(redis);
const time = Date.now();

afterEach(() => site.clear());
afterAll(() => redis.quit());

/** Runs a stock worker with concurrency 1 until `count` jobs have ended and returns its attempts. */
async function work(queue: string, count: number, processor: Processor = async () => undefined) {
  const runs: { job: Job; attempt: number }[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let ended = 0;
  const worker = new Worker(
    bullName(queue),
    async (job, token) => {
      runs.push({ job, attempt: job.attemptsMade + 1 });
      return processor(job, token);
    },
    { connection: redis, prefix: site.prefix },
  );
  const end = () => {
    ended += 1;
    if (ended === count) resolve();
  };
  worker.on("completed", end);
  worker.on("failed", (job) => {
    if (job === undefined || job.finishedOn !== undefined) end();
  });
  worker.on("error", reject);
  try {
    await promise;
  } finally {
    await worker.close();
  }
  return runs;
}

function ids(runs: { job: Job }[]) {
  return runs.map(({ job }) => job.id);
}

test("a stock worker runs plain jobs first in first out, the last in first, then by priority", async () => {
  const plain = [_dispatchEntry(), _dispatchEntry()];
  const last = _dispatchEntry({ options: { attempts: 1, timestamp: time, lifo: true } });
  const [low, high, low2] = [9, 1, 9].map((priority) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: time, priority } }),
  );
  await site.dispatch("q", [low!, plain[0]!, high!, low2!, plain[1]!, last]);
  const order = [last, ...plain, high!, low!, low2!];
  expect(ids(await work("q", 6))).toEqual(order.map((job) => job.bullId));
});

test("a stock worker that already waits is woken for plain, prioritized and delayed jobs", async () => {
  const seen: (string | undefined)[] = [];
  const worker = new Worker(bullName("q"), async (job) => void seen.push(job.id), {
    connection: redis,
    prefix: site.prefix,
  });
  await worker.waitUntilReady();
  const dispatched: string[] = [];
  for (const options of [{}, { priority: 3 }, { delayMs: 20 }, {}]) {
    const job = _dispatchEntry({ options: { attempts: 1, timestamp: Date.now(), ...options } });
    const completed = Promise.withResolvers<void>();
    worker.once("completed", () => completed.resolve());
    await site.dispatch("q", [job]);
    await completed.promise;
    dispatched.push(job.bullId);
  }
  await worker.close();
  expect(seen).toEqual(dispatched);
});

test("a stock worker runs delayed jobs in the order in which they are due", async () => {
  const jobs = [30, 10, 20, 10].map((delayMs) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: Date.now(), delayMs } }),
  );
  await site.dispatch("q", jobs);
  const order = [1, 3, 2, 0].map((at) => jobs[at]!.bullId);
  expect(ids(await work("q", 4))).toEqual(order);
});

test("a stock worker retries a failing job as often as its options say, and fails it then", async () => {
  const backoff = { type: "exponential", delay: 5 } as const;
  const job = _dispatchEntry({ options: { attempts: 3, timestamp: time, backoff } });
  await site.dispatch("q", [job]);
  const runs = await work("q", 1, () => Promise.reject(new Error("no")));
  expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  const queue = site.openQueue("q");
  expect(await queue.getJob(job.bullId)).toMatchObject({ attemptsMade: 3, failedReason: "no" });
  await queue.close();
});

test("a stock worker sees data, options, mark and trace of a dispatched job", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const backoff = { type: "fixed", delay: 7, jitter: 0.5 } as const;
  const marked = _dispatchEntry({
    type: "row.import",
    data: '{"row":1,"text":"日本 🐂"}',
    options: { attempts: 4, timestamp: time, backoff, recovered: true, traceparent },
  });
  const unmarked = _dispatchEntry();
  await site.dispatch("q", [marked, unmarked]);
  const [first, second] = (await work("q", 2)).map(({ job }) => job);
  expect(first).toMatchObject({
    id: marked.bullId,
    name: "row.import",
    data: { row: 1, text: "日本 🐂" },
    timestamp: time,
    opts: { attempts: 4, backoff, telemetry: { metadata: JSON.stringify({ traceparent }) } },
  });
  expect(isRecovered(first!.opts)).toBe(true);
  expect(isRecovered(second!.opts)).toBe(false);
});

test("BullMQ's own getters list dispatched jobs in their states", async () => {
  const [plain, delayed, prioritized] = [{}, { delayMs: 60_000 }, { priority: 1 }].map((options) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: time, ...options } }),
  );
  await site.dispatch("q", [plain!, delayed!, prioritized!]);
  const queue = site.openQueue("q");
  expect(await queue.getJobCounts("waiting", "delayed", "prioritized", "active", "failed")).toEqual(
    {
      waiting: 1,
      delayed: 1,
      prioritized: 1,
      active: 0,
      failed: 0,
    },
  );
  const states = { waiting: plain!, delayed: delayed!, prioritized: prioritized! };
  for (const state of ["waiting", "delayed", "prioritized"] as const) {
    const [found] = await queue.getJobs([state]);
    expect(found).toMatchObject({
      id: states[state].bullId,
      name: "echo",
      data: { message: "hello" },
    });
    expect(await found!.getState()).toBe(state);
  }
  await queue.close();
});

test("BullMQ's own calls remove, promote and retry dispatched jobs", async () => {
  const [removed, promoted] = [{}, { delayMs: 60_000 }].map((options) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: time, ...options } }),
  );
  await site.dispatch("q", [removed!, promoted!]);
  const queue = site.openQueue("q");
  await queue.remove(removed!.bullId);
  await (await queue.getJob(promoted!.bullId))!.promote();
  await work("q", 1, () => Promise.reject(new Error("once")));
  await (await queue.getJob(promoted!.bullId))!.retry();
  expect(ids(await work("q", 1))).toEqual([promoted!.bullId]);
  await queue.close();
});
