import { afterAll, expect, test } from "bun:test";
import { queueKeys } from "@toril/contract/engine/redis/names";
import { Redis } from "ioredis";
import { testPrefix, testRedisUrl } from "../../contract/test/_stores.ts";
import { createJobWaiters } from "../src/worker/job-waiters.ts";

const redis = new Redis(testRedisUrl);
const prefix = testPrefix();
const [busy, other] = ["busy", "other"].map((queue) => queueKeys(prefix, queue).marker);

afterAll(async () => {
  await redis.del(busy!, other!);
  redis.disconnect();
});

test("a queue that always has a marker does not delay the requests that wait for others", async () => {
  const members = Array.from({ length: 5000 }, (_, index) => [0, `${index}`]).flat();
  await redis.zadd(busy!, ...members);
  await redis.zadd(other!, 0, "0");
  const waiters = createJobWaiters({ redis, openBlocking: () => new Redis(testRedisUrl), prefix });
  const { signal } = new AbortController();
  async function waitForBusy() {
    while (!waiters.isClosed) await waiters.wait(["busy"], 30_000, signal);
  }
  const waiting = [waitForBusy(), waitForBusy(), waitForBusy()];
  await waiters.wait(["other"], 30_000, signal);
  waiters.close();
  // The busy queue would have come first until its markers were used up.
  expect(await redis.zcard(busy!)).toBeGreaterThan(2500);
  await Promise.all(waiting);
});
