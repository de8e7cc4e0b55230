import { afterEach, beforeEach, expect, test } from "bun:test";
import { bullId } from "@toril/contract/engine/redis/names";
import { _openWorld, _startConsumer, _until, type _World } from "./_world.ts";

let world: _World;
beforeEach(async () => {
  world = await _openWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

const _fetch = (host: string, more: object = {}) =>
  world.accept({ type: "feed.fetch", data: { url: `http://${host}/feed` }, ...more });

/** Starts consumers whose handler records attempts instead of fetching. */
async function _consumers(count: number, rate: string) {
  const starts: { host: string; attempt: number }[] = [];
  const stack = new AsyncDisposableStack();
  for (let index = 0; index < count; index += 1) {
    stack.use(
      await _startConsumer(world, {
        env: { WORKER_KEY_RATE_LIMITS: `feed.fetch=${rate}` },
        handlers: {
          async "feed.fetch"({ url }, { attempt }) {
            const { host, search } = new URL(url);
            starts.push({ host, attempt });
            if (search === "?fails" && attempt < 3) throw new Error("no");
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
  return Object.assign(stack, { starts });
}

const minuteMs = 60_000;

/** Waits until this many jobs wait for later slots; returns the slots in order, as stored in Redis. */
async function _slots(count: number): Promise<string[]> {
  const { delayed, base } = world.keys("feeds");
  return _until(async () => {
    const ids = await world.redis.zrange(delayed, "0", "-1");
    const slots = await Promise.all(ids.map((id) => world.redis.hget(base + id, "torilSlot")));
    const taken = slots
      .flatMap((slot) => slot ?? [])
      .filter((slot) => Number.parseInt(slot) > Date.now());
    return taken.length === count ? taken : undefined;
  });
}

/** Makes delayed jobs due, as if their slots were at this time. */
async function _reach(jobs: readonly { id: string }[], slot: string) {
  const { base } = world.keys("feeds");
  const queue = world.queue("feeds");
  for (const id of jobs.map((job) => bullId(job.id, 0))) {
    const delayed = await queue.getJob(id);
    if (!(await delayed?.isDelayed())) continue;
    await world.redis.hset(base + id, { torilSlot: slot });
    await delayed?.promote();
  }
  await queue.close();
}

test("jobs over the rate limit of their key wait for a slot without using an attempt; other jobs do not wait", async () => {
  const slow = await Promise.all(Array.from({ length: 5 }, () => _fetch("slow.example")));
  const others = await Promise.all(["a", "b", "c", "d"].map((name) => _fetch(`${name}.example`)));
  await using consumers = await _consumers(2, `1/${minuteMs}`);
  for (const { id } of others)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed" });
  const slots = (await _slots(4)).map(Number);
  expect(slots).toEqual([0, 1, 2, 3].map((n) => slots[0]! + n * minuteMs));
  await _until(() => consumers.starts.length === 5);

  await _reach(slow, String(Date.now()));
  for (const { id } of slow) {
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
  }
  expect(consumers.starts.map(({ attempt }) => attempt)).toEqual(
    Array.from({ length: 9 }, () => 1),
  );
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

test("each retry takes another slot", async () => {
  const job = await world.accept({
    type: "feed.fetch",
    data: { url: "http://slow.example/feed?fails" },
    backoff: { type: "fixed", delay: 1 },
  });
  await using consumers = await _consumers(1, `1/${minuteMs}`);
  for (const attempt of [1, 2]) {
    await _slots(1);
    expect(consumers.starts.map((start) => start.attempt).at(-1)).toBe(attempt);
    await _reach([job], String(Date.now()));
  }
  expect(await world.waitForEnd(job.id)).toMatchObject({ status: "completed", attempts: 3 });
});

test("a job that returns long after its slot takes another slot, once", async () => {
  const jobs = await Promise.all(Array.from({ length: 4 }, () => _fetch("slow.example")));
  {
    await using _ = await _consumers(1, `1/${minuteMs}`);
    await _slots(3);
  }
  const past = String(Date.now() - 10 * minuteMs);
  await world.redis.del(await world.redis.keys(`${world.prefix}:toril:slot:*`));
  await _reach(jobs, past);
  await using consumers = await _consumers(1, `1/${minuteMs}`);
  const [first, second] = await _slots(2);
  expect(second).toBe(`${Number.parseInt(first!) + minuteMs}!`);
  await _until(() => consumers.starts.length === 1);

  await _reach(jobs, `${past}!`);
  for (const { id } of jobs)
    expect(await world.waitForEnd(id)).toMatchObject({ status: "completed", attempts: 1 });
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
