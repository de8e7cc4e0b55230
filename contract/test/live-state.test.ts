import { afterAll, afterEach, expect, test } from "bun:test";
import { type Job, Worker } from "bullmq";
import { readLiveStates } from "../src/engine/redis/live-state.ts";
import { bullName, queueKeys } from "../src/engine/redis/names.ts";
import { _connect, _createSite, _dispatchEntry, _rejection, _uuid } from "./_dispatch.ts";

const redis = _connect();
const site = _createSite(redis);
const time = Date.now();
const untouched = {
  attemptsMade: 0,
  attemptsStarted: 0,
  progress: null,
  dispatchedOn: time,
  processedOn: undefined,
  stalls: 0,
  worker: null,
};

afterEach(() => site.clear());
afterAll(() => redis.quit());

function read(...jobs: { bullId: string }[]) {
  return readLiveStates(
    redis,
    site.prefix,
    jobs.map(({ bullId }) => ({ queue: "q", bullId })),
  );
}

/** Takes the next job manually, as a worker would. */
async function take(): Promise<{ job: Job; worker: Worker; token: string }> {
  const worker = new Worker(bullName("q"), null, {
    connection: redis,
    prefix: site.prefix,
    skipStalledCheck: true,
  });
  const job = await worker.getNextJob("token", { block: false });
  return { job, worker, token: "token" };
}

test("a job that Redis does not know has no state", async () => {
  expect(await read(_dispatchEntry())).toEqual([undefined]);
});

test("no jobs are no question", async () => {
  expect(await read()).toEqual([]);
});

test("jobs that no worker has taken are waiting, delayed or prioritized", async () => {
  const jobs = [{}, { delayMs: 60_000 }, { priority: 2 }, { delayMs: 60_000, priority: 2 }].map(
    (options) => _dispatchEntry({ options: { attempts: 1, timestamp: time, ...options } }),
  );
  await site.dispatch("q", jobs);
  expect(await read(...jobs)).toEqual(
    (["waiting", "delayed", "prioritized", "delayed"] as const).map((state) => ({
      ...untouched,
      state,
    })),
  );
});

test("jobs of many queues are answered in the requested order", async () => {
  const jobs = Array.from({ length: 30 }, (_, n) => ({ queue: `q${n % 3}`, bullId: _uuid(n), n }));
  for (const { queue, n } of jobs.filter((job) => job.n % 4 > 0)) {
    const options = { attempts: 1, timestamp: time, ...(n % 4 === 2 ? { delayMs: 60_000 } : {}) };
    await site.dispatch(queue, [_dispatchEntry({ n, options })]);
  }
  const states = await readLiveStates(redis, site.prefix, jobs);
  const expected = [undefined, "waiting", "delayed", "waiting"] as const;
  expect(states.map((state) => state?.state)).toEqual(jobs.map(({ n }) => expected[n % 4]));
});

test("a job that a worker has taken is active, with its progress", async () => {
  const dispatched = _dispatchEntry();
  await site.dispatch("q", [dispatched]);
  const { job, worker } = await take();
  await job.updateProgress({ rows: 7 });
  expect(await read(dispatched)).toEqual([
    {
      state: "active",
      attemptsMade: 0,
      attemptsStarted: 1,
      progress: { rows: 7 },
      dispatchedOn: dispatched.options.timestamp,
      processedOn: job.processedOn,
      stalls: 0,
      worker: null,
    },
  ]);
  await worker.close();
});

test("a job whose run failed is delayed until its next one", async () => {
  const dispatched = _dispatchEntry({
    options: { attempts: 2, timestamp: time, backoff: { type: "fixed", delay: 60_000 } },
  });
  await site.dispatch("q", [dispatched]);
  const { job, worker, token } = await take();
  await job.moveToFailed(new Error("once"), token);
  expect(await read(dispatched)).toMatchObject([
    { state: "delayed", attemptsMade: 1, attemptsStarted: 1 },
  ]);
  await worker.close();
});

test("a job that failed for good is finished, with the reason", async () => {
  const dispatched = _dispatchEntry({ options: { attempts: 1, timestamp: time } });
  await site.dispatch("q", [dispatched]);
  const { job, worker, token } = await take();
  await job.moveToFailed(new Error("never"), token);
  expect(await read(dispatched)).toMatchObject([
    { state: "finished", hasFailed: true, failedReason: "never", attemptsMade: 1 },
  ]);
  await worker.close();
});

test("a job that failed once and then completed has not failed", async () => {
  const dispatched = _dispatchEntry({ options: { attempts: 2, timestamp: time } });
  await site.dispatch("q", [dispatched]);
  const { job, worker, token } = await take();
  await job.moveToFailed(new Error("once"), token);
  const again = await worker.getNextJob(token, { block: false });
  await again.moveToCompleted({ rows: 1 }, token);
  expect(await read(dispatched)).toMatchObject([
    { state: "finished", hasFailed: false, returnValue: { rows: 1 }, attemptsMade: 2 },
  ]);
  await worker.close();
});

test("a finished job that BullMQ retries is waiting again", async () => {
  const dispatched = _dispatchEntry({ options: { attempts: 1, timestamp: time } });
  await site.dispatch("q", [dispatched]);
  const { job, worker, token } = await take();
  await job.moveToFailed(new Error("never"), token);
  await job.retry();
  expect(await read(dispatched)).toMatchObject([{ state: "waiting" }]);
  await worker.close();
});

test("an id in a list or set whose hash is gone counts as missing, so that dispatching repairs it", async () => {
  const [waiting, delayed] = [
    _dispatchEntry(),
    _dispatchEntry({ options: { attempts: 1, timestamp: time, delayMs: 9 } }),
  ];
  await site.dispatch("q", [waiting, delayed]);
  const { base } = queueKeys(site.prefix, "q");
  await redis.del(base + waiting.bullId, base + delayed.bullId);
  expect(await read(waiting, delayed)).toEqual([undefined, undefined]);
});

test("a job whose hash is gone is active while a worker holds its lock", async () => {
  const dispatched = _dispatchEntry();
  await site.dispatch("q", [dispatched]);
  const { worker } = await take();
  await redis.del(queueKeys(site.prefix, "q").base + dispatched.bullId);
  expect(await read(dispatched)).toEqual([
    { ...untouched, state: "active", dispatchedOn: undefined },
  ]);
  await worker.close();
});

test("progress that is no JSON is no progress", async () => {
  const dispatched = _dispatchEntry();
  await site.dispatch("q", [dispatched]);
  await redis.hset(queueKeys(site.prefix, "q").base + dispatched.bullId, "progress", "{");
  expect(await read(dispatched)).toMatchObject([{ progress: null }]);
});

test("the states are those of BullMQ's own getState", async () => {
  const jobs = [{}, { delayMs: 60_000 }, { priority: 2 }].map((options) =>
    _dispatchEntry({ options: { attempts: 1, timestamp: time, ...options } }),
  );
  await site.dispatch("q", jobs);
  const queue = site.openQueue("q");
  const theirs: (string | undefined)[] = await Promise.all(
    jobs.map((job) => queue.getJobState(job.bullId)),
  );
  expect(theirs).toEqual((await read(...jobs)).map((state) => state?.state));
  await queue.close();
});

test("a read that Redis refuses fails the question", async () => {
  await redis.set(queueKeys(site.prefix, "q").delayed, "not a set");
  expect(await _rejection(read(_dispatchEntry()))).toContain("WRONGTYPE");
});
