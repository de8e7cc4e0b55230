import { afterAll, afterEach, expect, setSystemTime, test } from "bun:test";
import { createRedisBackend, type Queue, type WorkerOptions } from "bullmq";
import * as fc from "fast-check";
import type { DispatchOptions } from "../src/engine/redis/scripts/options.ts";
import { bullName, queueKeys } from "../src/engine/redis/names.ts";
import {
  createTake,
  type HeldJob,
  type TakeReply,
  takeScriptUrl,
} from "../src/engine/redis/scripts/take.ts";
import { _connect, _createSite, _dispatchEntry, _rejection } from "./_dispatch.ts";

const time = 1_700_000_000_000;
const minute = 60_000;
/** Far longer than a test, so that the remaining times of both sites are equal in minutes. */
const long = 30 * minute;
const redis = _connect();
const sites = { theirs: _createSite(redis), ours: _createSite(redis) };
const script = await Bun.file(takeScriptUrl).text();
const returnValue = JSON.stringify("toril:settled");
const workerName = "host:1";

afterEach(async () => {
  setSystemTime();
  await Promise.all([sites.theirs.clear(), sites.ours.clear()]);
});
afterAll(() => redis.quit());

type Site = (typeof sites)["ours"];
type Limiter = { max: number; duration: number } | undefined;

interface Round {
  limit: number;
  finished: readonly HeldJob[];
  token: string;
}

interface Outcome {
  codes: number[];
  jobs: { id: string; token: string; name: unknown; attemptsStarted: number }[];
  isLimited: boolean;
  nextDueAt: number;
}

type Worker = (round: Round) => Promise<Outcome>;

/** Finishes and takes the jobs one after the other with BullMQ's own scripts. */
function openTheirs(limiter: Limiter): Worker {
  const backend = createRedisBackend(bullName("q"), {
    connection: redis,
    prefix: sites.theirs.prefix,
    lockDuration: long,
    name: workerName,
    removeOnComplete: { count: 0 },
    ...(limiter && { limiter }),
  } as WorkerOptions);
  return async ({ limit, finished, token }) => {
    const outcome: Outcome = { codes: [], jobs: [], isLimited: false, nextDueAt: 0 };
    for (const { id, token: lock } of finished) {
      const job = { id, opts: { attempts: 3 } } as Parameters<typeof backend.moveToCompleted>[0];
      const code = await backend
        .moveToCompleted(job, JSON.parse(returnValue), true, lock, false)
        .then(
          () => 0,
          (error: { code: number }) => error.code,
        );
      outcome.codes.push(code);
    }
    for (let n = 1; n <= limit; n += 1) {
      const [job, id, limitMs, dueAt] = await backend.moveToActive(token, workerName);
      if (!job) {
        outcome.isLimited = limitMs > 0;
        outcome.nextDueAt = dueAt ?? 0;
        break;
      }
      const { name, attemptsStarted } = job;
      outcome.jobs.push({ id, token, name, attemptsStarted });
    }
    return outcome;
  };
}

const codes: Record<TakeReply["finished"][number], number> = {
  finished: 0,
  unsupported: 1,
  missing: -1,
  "no-lock": -2,
  "not-active": -3,
  "other-lock": -6,
};

function openOurs(limiter: Limiter): Worker {
  const take = createTake(redis, {
    prefix: sites.ours.prefix,
    queue: "q",
    script,
    workerName,
    lockDurationMs: long,
    limiter,
    returnValue,
  });
  return async (round) => {
    const reply = await take(round);
    return {
      codes: reply.finished.map((result) => codes[result]),
      jobs: reply.jobs.map(({ id, token, name, attemptsStarted }) => ({
        id,
        token,
        name,
        attemptsStarted,
      })),
      isLimited: reply.rateLimitMs > 0,
      nextDueAt: reply.nextDueAt,
    };
  };
}

/**
 * Does the same on both sites and expects the same replies and the same content of every key. Only the marker of a queue
 * without waiting jobs may differ: it wakes a worker for nothing.
 */
async function expectSame(
  act: (site: Site, worker: Worker, queue: Queue) => Promise<unknown>,
  limiter?: Limiter,
) {
  const outcomes: unknown[] = [];
  const snapshots: unknown[] = [];
  for (const [name, open] of [["theirs", openTheirs] as const, ["ours", openOurs] as const]) {
    setSystemTime(time);
    const queue = sites[name].openQueue("q");
    outcomes.push(await act(sites[name], open(limiter), queue));
    snapshots.push(withoutNeedlessMarker(withoutSeconds(await sites[name].snapshot())));
    await queue.close();
  }
  expect(outcomes[1]).toEqual(outcomes[0]);
  expect(snapshots[1]).toEqual(snapshots[0]);
}

function withoutSeconds(snapshot: Awaited<ReturnType<Site["snapshot"]>>) {
  return Object.fromEntries(
    Object.entries(snapshot).map(([key, value]) => [
      key,
      { ...value, expiresInMs: Math.ceil(value.expiresInMs / minute) },
    ]),
  );
}

function withoutNeedlessMarker<Value>(snapshot: Record<string, Value>) {
  const isLeft = [":{q}:wait", ":{q}:prioritized", ":{q}:delayed"].some((key) => key in snapshot);
  return isLeft ? snapshot : { ...snapshot, ":{q}:marker": undefined };
}

function jobs(count: number, options: Partial<DispatchOptions> = {}, from = 0) {
  return Array.from({ length: count }, (_, n) =>
    _dispatchEntry({ n: from + n, options: { attempts: 3, timestamp: time, ...options } }),
  );
}

const kinds: Record<string, Partial<DispatchOptions>> = {
  plain: {},
  "last in first out": { lifo: true },
  prioritized: { priority: 5 },
  "due now": { delayMs: 1 },
  "due later": { delayMs: minute },
  "due now, prioritized": { delayMs: 1, priority: 2 },
};

const queueStates: Record<string, (site: Site, queue: Queue) => Promise<unknown>> = {
  "has no settings": async () => {},
  "is paused": (_site, queue) => queue.pause(),
  "may run three jobs": (_site, queue) => queue.setGlobalConcurrency(3),
  "may run a hundred jobs": (_site, queue) => queue.setGlobalConcurrency(100),
  "may start three jobs a period": (_site, queue) => queue.setGlobalRateLimit(3, long),
  "keeps few events": (site) => redis.hset(`${site.prefix}:{q}:meta`, "opts.maxLenEvents", 20_000),
};

for (const state of Object.keys(queueStates)) {
  test.each(Object.keys(kinds))(
    `%s jobs of a queue that ${state} are taken and finished as by BullMQ`,
    async (kind) => {
      await expectSame(async (site, worker, queue) => {
        await queueStates[state]!(site, queue);
        await site.dispatch("q", jobs(6, kinds[kind]));
        setSystemTime(time + 10);
        const first = await worker({ limit: 4, finished: [], token: "a" });
        setSystemTime(time + 20);
        const second = await worker({ limit: 2, finished: first.jobs.slice(1, 3), token: "b" });
        const rest = [...first.jobs.slice(0, 1), ...first.jobs.slice(3), ...second.jobs];
        const third = await worker({ limit: 8, finished: rest, token: "c" });
        const last = await worker({ limit: 0, finished: third.jobs, token: "d" });
        return [first, second, third, last];
      });
    },
  );
}

test.each([2, 6, 7])(
  "a worker's rate limit of %d jobs a period is kept as by BullMQ",
  async (max) => {
    await expectSame(
      async (site, worker) => {
        await site.dispatch("q", [...jobs(4), ...jobs(2, { priority: 1 }, 4)]);
        // A job that only fails does not count.
        await redis.hset(`${site.prefix}:{q}:${jobs(2)[1]!.bullId}`, "defa", "too many stalls");
        const first = await worker({ limit: 3, finished: [], token: "a" });
        const second = await worker({ limit: 3, finished: first.jobs, token: "b" });
        const third = await worker({ limit: 3, finished: second.jobs, token: "c" });
        return [first, second, third];
      },
      { max, duration: long },
    );
  },
);

test("a queue's rate limit replaces the worker's, and a manual limit without a rate limit is ignored", async () => {
  for (const limiter of [{ max: 1, duration: long }, undefined]) {
    await expectSame(async (site, worker, queue) => {
      if (limiter) await queue.setGlobalRateLimit(2, minute);
      else await queue.rateLimit(long);
      await site.dispatch("q", jobs(4));
      return worker({ limit: 3, finished: [], token: "a" });
    }, limiter);
    await Promise.all([sites.theirs.clear(), sites.ours.clear()]);
  }
});

test("texts of every length are taken as they were dispatched, and more jobs than a short array holds", async () => {
  const take = createTake(redis, {
    prefix: sites.ours.prefix,
    queue: "q",
    script,
    workerName,
    lockDurationMs: long,
    limiter: undefined,
    returnValue,
  });
  const texts = [0, 1, 15, 31, 32, 255, 256, 65_535, 65_536, ...Array<number>(10).fill(3)].map(
    (length) => "é".repeat(length),
  );
  const dispatched = texts.map((text, n) =>
    _dispatchEntry({ n, type: `t${text.slice(0, 300)}`, data: JSON.stringify(text) }),
  );
  await sites.ours.dispatch("q", dispatched);
  const { jobs: taken } = await take({ limit: 64, finished: [], token: "a" });
  expect(taken.map(({ id, name, data }) => [id, name, data])).toEqual(
    dispatched.map(({ bullId, type, data }) => [bullId, type, data]),
  );
  expect(taken[0]).toMatchObject({
    attemptsMade: 0,
    attemptsStarted: 1,
    stalls: 0,
    timestamp: time,
  });
  expect(JSON.parse(taken[0]?.options ?? "")).toMatchObject({ attempts: 3 });
});

const losses: Record<string, (base: string, id: string) => Promise<unknown>> = {
  "whose lock expired": (base, id) => redis.del(`${base}${id}:lock`),
  "whose lock another worker holds": (base, id) => redis.set(`${base}${id}:lock`, "other"),
  "that is not in the active list": (base, id) => redis.lrem(`${base}active`, 0, id),
  "whose hash is lost": (base, id) => redis.del(`${base}${id}`),
  "that Redis lost": (base, id) => redis.del(`${base}${id}`, `${base}${id}:lock`),
  "that may be stalled": (base, id) => redis.sadd(`${base}stalled`, id),
  "with log lines": (base, id) => redis.rpush(`${base}${id}:logs`, "line"),
  "with progress": (base, id) => redis.hset(`${base}${id}`, "progress", "50"),
};

test.each(Object.keys(losses))(
  "a job %s, and the others of its call, end as by BullMQ",
  async (loss) => {
    await expectSame(async (site, worker) => {
      await site.dispatch("q", jobs(4));
      const taken = await worker({ limit: 3, finished: [], token: "a" });
      await losses[loss]!(`${site.prefix}:{q}:`, taken.jobs[1]!.id);
      const next = await worker({ limit: 2, finished: taken.jobs, token: "b" });
      return [taken, next];
    });
  },
);

test("an id without a hash is taken as by BullMQ, and a marker of old versions is not taken", async () => {
  await expectSame(async (site, worker) => {
    await redis.lpush(`${site.prefix}:{q}:wait`, "0:0", "lost", "0:123");
    return worker({ limit: 3, finished: [], token: "a" });
  });
});

test.each([{}, { priority: 5 }])(
  "another worker is woken only if jobs are left (%j)",
  async (options) => {
    const worker = openOurs(undefined);
    const { marker } = queueKeys(sites.ours.prefix, "q");
    await sites.ours.dispatch("q", jobs(3, options));
    // As a waiting worker does.
    expect(await redis.zpopmin(marker)).toEqual(["0", "0"]);
    await worker({ limit: 2, finished: [], token: "a" });
    expect(await redis.zpopmin(marker)).toEqual(["0", "0"]);
    await worker({ limit: 1, finished: [], token: "b" });
    expect(await redis.exists(marker)).toBe(0);
  },
);

const special: Record<string, (base: string, id: string) => Promise<unknown>> = {
  "of a flow": (base, id) =>
    redis.hset(`${base}${id}`, { parentKey: `${base}p`, parent: '{"id":"p","queueKey":"q"}' }),
  "with children": (base, id) => redis.sadd(`${base}${id}:dependencies`, "child"),
  "with failed children": (base, id) => redis.zadd(`${base}${id}:unsuccessful`, 1, "child"),
  "with results of children": (base, id) => redis.hset(`${base}${id}:processed`, "child", "1"),
  "with a deduplication id": (base, id) => redis.hset(`${base}${id}`, "deid", "d"),
};

test.each(Object.keys(special))(
  "a job %s is left to BullMQ and delays no other job",
  async (kind) => {
    const worker = openOurs(undefined);
    const base = queueKeys(sites.ours.prefix, "q").base;
    await sites.ours.dispatch("q", jobs(3));
    const taken = await worker({ limit: 3, finished: [], token: "a" });
    const { id } = taken.jobs[1]!;
    await special[kind]!(base, id);
    const before = await redis.hgetall(`${base}${id}`);
    const { codes: found } = await worker({ limit: 0, finished: taken.jobs, token: "b" });
    expect(found).toEqual([0, 1, 0]);
    expect(await redis.hgetall(`${base}${id}`)).toEqual(before);
    expect(await redis.get(`${base}${id}:lock`)).toBe("a");
    expect(await redis.lrange(`${base}active`, 0, -1)).toEqual([id]);
  },
);

test("a job that BullMQ added has 9 fields when it is taken, and 10 with a deduplication id", async () => {
  const worker = openOurs(undefined);
  const { base } = queueKeys(sites.ours.prefix, "q");
  const queue = sites.ours.openQueue("q");
  await queue.add("echo", {});
  await queue.add("echo", {}, { deduplication: { id: "d" } });
  const { jobs: taken } = await worker({ limit: 2, finished: [], token: "a" });
  expect(await Promise.all(taken.map(({ id }) => redis.hlen(`${base}${id}`)))).toEqual([9, 10]);
  const { codes: found } = await worker({ limit: 0, finished: taken, token: "b" });
  expect(found).toEqual([0, 1]);
  await queue.close();
});

test.each([
  ["concurrency", "few"],
  ["opts.maxLenEvents", "many"],
  ["max", "2"],
])("with %s = %s in a queue's settings jobs are finished but not taken", async (field, value) => {
  const take = createTake(redis, {
    prefix: sites.ours.prefix,
    queue: "q",
    script,
    workerName,
    lockDurationMs: long,
    limiter: undefined,
    returnValue,
  });
  await sites.ours.dispatch("q", jobs(3));
  const taken = await take({ limit: 1, finished: [], token: "a" });
  await redis.hset(queueKeys(sites.ours.prefix, "q").meta, field, value);
  const next = await take({ limit: 2, finished: taken.jobs, token: "b" });
  expect(next).toMatchObject({ finished: ["finished"], jobs: [] });
  expect(next.malformed).toEndWith("in meta");
});

test("a meta key that is not a hash is an error, and nothing is written", async () => {
  const worker = openOurs(undefined);
  await sites.ours.dispatch("q", jobs(2));
  const taken = await worker({ limit: 1, finished: [], token: "a" });
  await redis.set(queueKeys(sites.ours.prefix, "q").meta, "text");
  const before = withoutSeconds(await sites.ours.snapshot());
  const round = { limit: 1, finished: taken.jobs, token: "b" };
  expect(await _rejection(worker(round))).toContain("WRONGTYPE");
  expect(withoutSeconds(await sites.ours.snapshot())).toEqual(before);
});

const anyRound = fc.record({
  add: fc.array(fc.constantFrom(...Object.values(kinds)), { maxLength: 4 }),
  passMs: fc.constantFrom(0, 1, 2, minute),
  limit: fc.nat({ max: 5 }),
  finish: fc.nat({ max: 4 }),
  isReversed: fc.boolean(),
  loss: fc.option(fc.constantFrom(...Object.keys(losses)), { nil: undefined, freq: 3 }),
});

const anyState = fc.record({
  state: fc.constantFrom(...Object.keys(queueStates)),
  limiter: fc.option(
    fc.record({ max: fc.integer({ min: 1, max: 6 }), duration: fc.constant(long) }),
    {
      nil: undefined,
    },
  ),
});

test("any sequence of calls results in the same Redis data as BullMQ", async () => {
  await fc.assert(
    fc
      .asyncProperty(
        anyState,
        fc.array(anyRound, { minLength: 1, maxLength: 8 }),
        async ({ state, limiter }, rounds) => {
          await expectSame(async (site, worker, queue) => {
            await queueStates[state]!(site, queue);
            let now = time;
            let held: HeldJob[] = [];
            const outcomes: Outcome[] = [];
            for (const [n, { add, passMs, limit, finish, isReversed, loss }] of rounds.entries()) {
              now += passMs;
              setSystemTime(now);
              const added = add.flatMap((kind, at) =>
                jobs(1, { ...kind, timestamp: now }, 10 * n + at),
              );
              await site.dispatch("q", added);
              if (loss !== undefined && held[0]) {
                await losses[loss]!(`${site.prefix}:{q}:`, held[0].id);
              }
              const finished = held.slice(0, finish);
              held = held.slice(finish);
              if (isReversed) finished.reverse();
              const outcome = await worker({ limit, finished, token: `t${n}` });
              held.push(...outcome.jobs);
              outcomes.push(outcome);
            }
            return outcomes;
          }, limiter);
        },
      )
      .afterEach(() => Promise.all([sites.theirs.clear(), sites.ours.clear()])),
    { numRuns: 50 },
  );
});
