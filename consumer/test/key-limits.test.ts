import { afterEach, beforeEach, expect, test } from "bun:test";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeEach(async () => {
  world = await _openWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const _fetch = (host: string, more: object = {}) =>
  world.accept({ type: "feed.fetch", data: { url: `http://${host}/feed` }, ...more });

/** Starts consumers whose `fetchDocument` records fetches without a request. */
async function _consumers(count: number, rate: string) {
  const starts: { host: string; at: number; attempt: number }[] = [];
  const stack = new AsyncDisposableStack();
  for (let index = 0; index < count; index += 1) {
    stack.use(
      await _startConsumer(world, {
        env: { WORKER_KEY_RATE_LIMITS: `feed.fetch=${rate}` },
        handlers: {
          async "feed.fetch"({ url }, { attempt }) {
            const { host, search } = new URL(url);
            starts.push({ host, at: Date.now(), attempt });
            if (search === "?fails" && attempt === 1) throw new Error("no");
            return {
              items: 0,
              new: 0,
              changed: 0,
              same: 0,
              duplicate: 0,
              skipped: 0,
              notModified: false,
            };
          },
        },
      }),
    );
  }
  return Object.assign(stack, {
    starts,
    startsAt: (host: string) => starts.filter((start) => start.host === host),
  });
}

test("jobs over the rate limit of their key wait for a slot without using an attempt; other jobs do not wait", async () => {
  const slow = await Promise.all(Array.from({ length: 5 }, () => _fetch("slow.example")));
  const others = await Promise.all(["a", "b", "c", "d"].map((name) => _fetch(`${name}.example`)));
  await using consumers = await _consumers(2, "1/1000");
  for (const { id } of others)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  expect(consumers.startsAt("slow.example").length).toBeLessThan(5);
  for (const { id } of slow) {
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
  }
  const times = consumers.startsAt("slow.example").map(({ at }) => at);
  expect(times).toHaveLength(5);
  // Handlers may start later than their slots, which are 4 s apart.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(2500);
  expect(consumers.starts.every(({ attempt }) => attempt === 1)).toBe(true);
});

test("a delayed job checks its limit twice: when it is taken first, and at its slot", async () => {
  const jobs = await Promise.all(Array.from({ length: 4 }, () => _fetch("slow.example")));
  await using _ = await _consumers(1, "2/6000");
  const queue = world.queue("feeds");
  await _until(async () => (await queue.getDelayedCount()) === 2);
  await queue.close();
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  // 4 new jobs and 2 whose slot came: delayed jobs did not poll in between.
  const events = await world.redis.xrange(world.keys("feeds").events, "-", "+");
  const taken = events.filter(([, fields]) => fields[1] === "active");
  expect(taken).toHaveLength(6);
});

test("a retry takes another slot", async () => {
  const job = await world.accept({
    type: "feed.fetch",
    data: { url: "http://slow.example/feed?fails" },
    backoff: { type: "fixed", delay: 1 },
  });
  await using consumers = await _consumers(1, "1/2000");
  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", attempts: 2 });
  const [first, second] = consumers.starts;
  expect(second!.at - first!.at).toBeGreaterThan(1000);
});

test("a job that returns long after its slot takes another slot", async () => {
  const jobs = await Promise.all(Array.from({ length: 4 }, () => _fetch("slow.example")));
  const queue = world.queue("feeds");
  {
    await using consumers = await _consumers(1, "1/500");
    await _until(async () => consumers.starts.length >= 1 && (await queue.getDelayedCount()) === 3);
  }
  await Bun.sleep(2500);
  await using consumers = await _consumers(1, "1/500");
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  const times = consumers.starts.map(({ at }) => at).toSorted((one, other) => one - other);
  expect(times.at(-1)! - times[0]!).toBeGreaterThan(500);
  await queue.close();
});

test("a job expires while it waits for its slot", async () => {
  await _fetch("slow.example");
  await using consumers = await _consumers(1, "1/60000");
  await _until(() => consumers.starts.length === 1);
  const expiresAt = new Date(Date.now() + 1500).toISOString();
  const late = await _fetch("slow.example", { expiresAt });
  expect(await world.waitForEnd(late.id)).toMatchObject({ status: "expired", attempts: 0 });
  expect(consumers.starts).toHaveLength(1);
});

test("a rate limit can be turned off", async () => {
  const jobs = await Promise.all(Array.from({ length: 40 }, () => _fetch("slow.example")));
  await using _ = await _consumers(1, "off");
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  expect(await world.redis.keys(`${world.prefix}:toril:slot:*`)).toEqual([]);
});
