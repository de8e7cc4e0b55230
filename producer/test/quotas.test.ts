import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import type { Quotas } from "@toril/contract/api/access/quota";
import { testPrefix, testRedisUrl } from "../../contract/test/_stores.ts";
import { createBucket } from "@toril/contract/engine/quotas/bucket";
import { createKeyQuota } from "@toril/contract/engine/quotas/key-quota";
import { createLease, type Flow, leaseScriptUrl } from "@toril/contract/engine/quotas/lease";
import { _openProxy, type _Proxy } from "./_proxy.ts";

let proxy: _Proxy;
let redis: Redis;
let prefix: string;
let now: number;
let waiting: number;
const opened: Redis[] = [];

beforeAll(async () => {
  proxy = await _openProxy(testRedisUrl);
  redis = new Redis(testRedisUrl);
});
beforeEach(() => {
  proxy.pass();
  prefix = `${testPrefix()}:`;
  now = 0;
  waiting = 0;
});
afterAll(async () => {
  for (const connection of opened) connection.disconnect();
  redis.disconnect();
  proxy.close();
});

/** Opens the quota of one key, as one of several producers does. */
function open(quotas: Quotas, url = testRedisUrl) {
  const { lease, ...seen } = openLease(url);
  const quota = createKeyQuota(quotas, {
    id: "k",
    bucketPrefix: prefix,
    lease,
    countWaiting: async (_, limit) => Math.min(waiting, limit),
    now: () => now,
  });
  return {
    ...quota,
    ...seen,
    /** Returns how many of `count` single jobs are accepted. */
    async flood(count: number) {
      const all = await Promise.all(Array.from({ length: count }, () => quota.takeJobs(1)));
      return all.filter((refusal) => refusal === undefined).length;
    },
  };
}

function openBucket(flow: Flow) {
  const { lease } = openLease(testRedisUrl);
  return createBucket({ ...flow, bucket: `${prefix}jobs`, lease, now: () => now });
}

function openLease(url: string) {
  const own = new Redis(url, { commandTimeout: 2000, maxRetriesPerRequest: 0 });
  own.on("error", () => {});
  opened.push(own);
  let trips = 0;
  const changes: boolean[] = [];
  const lease = createLease({
    redis: {
      eval(...args) {
        trips += 1;
        return own.eval(...args);
      },
    },
    script: readFileSync(leaseScriptUrl, "utf8"),
    now: () => now,
    onChange: (isUnavailable) => changes.push(isUnavailable),
  });
  return { lease, changes, trips: () => trips };
}

/** Advances the time, also for Redis. */
async function pass(ms: number) {
  now += ms;
  for (const unit of ["jobs", "bytes"]) {
    const at = await redis.hget(`${prefix}${unit}`, "at");
    if (at !== null) await redis.hset(`${prefix}${unit}`, "at", Number(at) - ms);
  }
}

/** Slow, because tokens are refilled by Redis' own clock during a test; `someMore` allows for that. */
const slow = { rate: 1, burst: 20 };
const someMore = 4;

describe("jobs", () => {
  test("beyond the burst are refused with the time to wait", async () => {
    const quota = open(slow);
    expect(await quota.flood(30)).toBeWithin(20, 20 + someMore);
    const refusal = await quota.takeJobs(1);
    expect(refusal?.waitMs).toBeWithin(1, 1001);
    expect((await quota.takeJobs(6))?.waitMs).toBeWithin(4000, 6001);
  });

  test("are refilled over time up to the burst", async () => {
    const quota = open(slow);
    await quota.flood(20);
    await pass(5000);
    expect(await quota.flood(10)).toBeWithin(5, 5 + someMore);
    await pass(3_600_000);
    expect(await quota.flood(30)).toBeWithin(20, 20 + someMore);
  });

  test("of one request are reserved together or refused", async () => {
    const quota = open(slow);
    expect(await quota.takeJobs(15)).toBeUndefined();
    expect(await quota.takeJobs(10)).toBeDefined();
    expect(await quota.takeJobs(5)).toBeUndefined();
    expect(await quota.takeJobs(21)).toMatchObject({ waitMs: 20_000 });
  });

  test("of one key are shared by all producers", async () => {
    const [one, other] = [open(slow), open(slow)];
    expect(await one.takeJobs(5)).toBeUndefined();
    expect((await other.takeJobs(20))?.waitMs).toBeWithin(1, 5001);
    const [ofOne, ofOther] = await Promise.all([one.flood(30), other.flood(30)]);
    expect(ofOne + ofOther).toBeWithin(15, 15 + someMore);
  });

  test("exceed the burst at most by the leases of the producers", async () => {
    const quotas = { rate: 1000, burst: 1000 };
    const producers = Array.from({ length: 4 }, () => open(quotas));
    for (const producer of producers) expect(await producer.takeJobs(1)).toBeUndefined();
    await pass(60_000);
    const counts = await Promise.all(producers.map((producer) => producer.flood(2000)));
    const sum = counts.reduce((a, b) => a + b, 0);
    // Tokens are refilled by Redis' clock meanwhile.
    expect(sum).toBeWithin(1000, 1000 + 4 * 100 + 2000);
  });

  test("of a busy key need one call to Redis per 100 ms, not per job", async () => {
    const quota = open({ rate: 1000, burst: 2000 });
    for (let count = 0; count < 1000; count += 1) {
      expect(await quota.takeJobs(1)).toBeUndefined();
      await pass(1);
    }
    expect(quota.trips()).toBeWithin(5, 30);
  });

  test("of a busy key do not wait for Redis", async () => {
    const quota = openBucket({ rate: 1000, size: 2000 });
    await quota.take(1);
    for (let count = 0; count < 500; count += 1) {
      expect(quota.take(1)).toEqual({ status: "taken" });
      await pass(1);
    }
  });

  test("of an exhausted key are refused without a call to Redis each", async () => {
    const quota = open({ rate: 1000, burst: 1000 });
    await quota.flood(9000);
    const trips = quota.trips();
    for (let count = 0; count < 1000; count += 1) {
      await quota.flood(3);
      await pass(1);
    }
    expect(quota.trips() - trips).toBeWithin(1, 200);
  });

  test("start with a full quota after Redis was flushed", async () => {
    const quota = open(slow);
    await quota.flood(20);
    await redis.del(`${prefix}jobs`);
    now += 1000;
    expect(await quota.flood(30)).toBeWithin(20, 20 + someMore);
  });

  test("leave no keys in Redis when the quota is full", async () => {
    const quota = open(slow);
    await quota.takeJobs(20);
    expect(await redis.pttl(`${prefix}jobs`)).toBeWithin(1, 21_001);
  });
});

describe.each(["refuse", "freeze"] as const)("while connections to Redis %s", (fault) => {
  test("every producer enforces the rate alone from its last known state", async () => {
    const quota = open(slow, proxy.url);
    expect(await quota.takeJobs(15)).toBeUndefined();
    proxy[fault]();
    expect(await quota.flood(30)).toBe(5);
    const trips = quota.trips();
    now += 900;
    expect(await quota.flood(30)).toBe(0);
    now += 5000;
    for (let count = 0; count < 5; count += 1) expect(await quota.takeJobs(1)).toBeUndefined();
    expect(await quota.takeJobs(1)).toBeDefined();
    expect(quota.changes).toEqual([true]);
    // One trip per second, however many requests there are.
    expect(quota.trips() - trips).toBe(1);
    const fresh = open(slow, proxy.url);
    expect(await fresh.flood(30)).toBe(20);
  });
});

describe("bytes", () => {
  test("of one body may exceed the burst and leave a debt", async () => {
    const quota = open({ bytes: 1000 });
    expect(await quota.takeBytes(400)).toBeUndefined();
    expect(await quota.takeBytes(50_000)).toBeDefined();
    await pass(1000);
    expect(await quota.takeBytes(50_000)).toBeUndefined();
    const other = open({ bytes: 1000 });
    expect((await other.takeBytes(1))?.waitMs).toBeWithin(30_000, 49_100);
    await pass(49_100);
    expect(await other.takeBytes(1)).toBeUndefined();
    expect(await quota.takeJobs(1_000_000)).toBeUndefined();
  });
});

describe("waiting jobs", () => {
  const refusal = { detail: expect.stringContaining("pending"), waitMs: 250 };

  /** Reserves `count` slots one after another and counts those granted as waiting. */
  async function fill(quota: Pick<ReturnType<typeof open>, "reserve" | "release">, count: number) {
    let admitted = 0;
    for (let requested = 0; requested < count; requested += 1) {
      if ((await quota.reserve(1)) !== undefined) continue;
      admitted += 1;
      waiting += 1;
      quota.release(1);
    }
    return admitted;
  }

  test("are accepted up to the limit, and again when some have ended", async () => {
    const quota = open({ maxWaiting: 10 });
    expect(await fill(quota, 20)).toBe(10);
    expect(await quota.reserve(1)).toEqual(refusal);
    waiting -= 3;
    now += 1000;
    expect(await fill(quota, 20)).toBe(3);
  });

  test("do not exceed the limit when concurrent requests are not recorded yet", async () => {
    const quota = open({ maxWaiting: 10 });
    const all = await Promise.all(Array.from({ length: 50 }, () => quota.reserve(1)));
    expect(all.filter((refused) => refused === undefined).length).toBe(10);
    quota.release(10);
    waiting = 10;
    now += 1000;
    expect(await quota.reserve(1)).toEqual(refusal);
  });

  test("of one request are reserved together or refused", async () => {
    const quota = open({ maxWaiting: 10 });
    expect(await quota.reserve(8)).toBeUndefined();
    expect(await quota.reserve(3)).toEqual(refusal);
    expect(await quota.reserve(2)).toBeUndefined();
    expect(await quota.reserve(11)).toEqual(refusal);
  });

  test("of two producers exceed the limit by a quarter at most", async () => {
    const [one, other] = [open({ maxWaiting: 100 }), open({ maxWaiting: 100 })];
    let admitted = 0;
    for (let count = 0; count < 100; count += 1) {
      admitted += await fill(one, 1);
      admitted += await fill(other, 1);
    }
    expect(admitted).toBeWithin(100, 126);
  });

  test("that cannot be counted fail only the request", async () => {
    let isUnavailable = true;
    const quota = createKeyQuota(
      { maxWaiting: 10 },
      {
        id: "k",
        bucketPrefix: prefix,
        lease: async () => undefined,
        countWaiting: async () => {
          if (isUnavailable) throw new Error("unavailable");
          return 0;
        },
        now: () => now,
      },
    );
    await expect(quota.reserve(1)).rejects.toThrow("unavailable");
    isUnavailable = false;
    expect(await quota.reserve(1)).toBeUndefined();
  });
});

describe("background work", () => {
  test("gets the remainder of the most exhausted quota, with the reason", async () => {
    const quota = open({ ...slow, maxWaiting: 15 });
    const first = await quota.reserveUpTo(12);
    expect(first).toEqual({ granted: 12, refusal: undefined });
    waiting = 12;
    quota.release(12);
    now += 1000;
    const second = await quota.reserveUpTo(12);
    expect(second.granted).toBe(3);
    expect(second.refusal?.detail).toContain("pending");
    waiting = 0;
    quota.release(3);
    now += 1000;
    const third = await quota.reserveUpTo(50);
    expect(third.granted).toBeWithin(5, 5 + someMore);
    expect(third.refusal?.detail).toContain("per second");
  });

  test("of a running job is admitted without a reservation, and leaves a debt beyond the rate", async () => {
    const quota = open({ ...slow, maxWaiting: 15 });
    await quota.takeJobs(19);
    const admit = () => quota.admitChildren("feed.fetch");
    for (const refusal of await Promise.all([admit(), admit(), admit()])) {
      expect(refusal).toBeUndefined();
    }
    await quota.reserveChildren(20);
    await quota.reserveChildren(10);
    expect((await admit())?.detail).toContain("pending");
    now += 1000;
    expect((await admit())?.waitMs).toBeWithin(25_000, 31_000);
    expect((await quota.takeJobs(1))?.waitMs).toBeWithin(25_000, 31_000);
    waiting = 15;
    now += 1000;
    expect((await admit())?.detail).toContain("pending");
  });

  test("of a running job leaves a debt even if the key was just refused", async () => {
    const quota = open({ rate: 1000, burst: 1000 });
    await quota.flood(3000);
    await quota.reserveChildren(5000);
    expect((await quota.admitChildren("feed.fetch"))?.waitMs).toBeWithin(3000, 5101);
  });

  test("releases the slots for which it has no tokens", async () => {
    const quota = open({ ...slow, maxWaiting: 100 });
    await quota.flood(20);
    expect((await quota.reserveUpTo(100)).granted).toBeWithin(0, someMore);
    now += 1000;
    expect(await quota.reserve(90)).toBeUndefined();
  });
});

describe("the RateLimit fields", () => {
  test("list every policy and the remaining quota", async () => {
    const quota = open({ rate: 10, burst: 25, bytes: 1000, maxWaiting: 10 });
    await quota.takeJobs(20);
    await quota.takeBytes(3000);
    await quota.reserve(4);
    const { policy, limit } = quota.left();
    expect(policy).toBe(
      '"jobs";q=25;w=3, "bytes";q=1000;w=1;qu="content-bytes", "waiting";q=10;qu="concurrent-requests"',
    );
    expect(limit).toMatch(/^"jobs";r=5;t=2, "bytes";r=0;t=[23], "waiting";r=6$/);
  });

  test("omit unlimited quotas", async () => {
    const quota = open({ rate: 5 });
    expect(quota.left()).toEqual({ policy: '"jobs";q=5;w=1', limit: '"jobs";r=5;t=0' });
    expect(await quota.takeJobs(5)).toBeUndefined();
    expect(quota.left().limit).toBe('"jobs";r=0;t=1');
  });
});
