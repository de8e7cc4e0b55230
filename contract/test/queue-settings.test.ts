import { afterAll, afterEach, expect, test } from "bun:test";
import { queueKeys } from "../src/engine/redis/names.ts";
import type { DispatchOptions } from "../src/engine/redis/scripts/options.ts";
import {
  createApplySettings,
  createAreMalformed,
  settingsScriptUrl,
} from "../src/engine/queues/queue-settings.ts";
import type { QueueSettings } from "../src/api/queue.ts";
import { _connect, _createSite, _dispatchEntry } from "./_dispatch.ts";

const script = await Bun.file(settingsScriptUrl).text();
const redis = _connect();
const [bullmq, toril] = [_createSite(redis), _createSite(redis)];
const apply = createApplySettings(redis, { prefix: toril.prefix, script });
const queue = bullmq.openQueue("q");

afterEach(() => Promise.all([bullmq.clear(), toril.clear()]));
afterAll(async () => {
  await queue.close();
  await redis.quit();
});

const free = { queue: "q", paused: false, concurrency: null, rateLimit: null };
const rateLimit = { max: 5, durationMs: 1000 };

/** Reads the keys that queue settings affect. */
async function _state(prefix: string) {
  const { meta, marker, events } = queueKeys(prefix, "q");
  const published = await redis.xrange(events, "-", "+");
  return {
    meta: await redis.hgetall(meta),
    marker: await redis.zrange(marker, "0", "-1", "WITHSCORES"),
    events: published.map(([, fields]) => fields[1]),
  };
}

async function _expectSame() {
  expect(await _state(toril.prefix)).toEqual(await _state(bullmq.prefix));
}

const loads: [string, Partial<DispatchOptions>[]][] = [
  ["an empty queue", []],
  ["one with waiting jobs", [{}, { delayMs: 60_000 }]],
  ["one with prioritized jobs", [{ priority: 3 }]],
  ["one with delayed jobs alone", [{ delayMs: 60_000 }]],
];

test.each(loads)(
  "pausing and resuming %s results in the same Redis data as BullMQ",
  async (_, options) => {
    const jobs = options.map((more, n) =>
      _dispatchEntry({ n, options: { attempts: 1, timestamp: 1_700_000_000_000, ...more } }),
    );
    for (const site of [bullmq, toril]) if (jobs.length > 0) await site.dispatch("q", jobs);
    await queue.pause();
    await apply({ ...free, paused: true });
    await _expectSame();
    await queue.resume();
    await apply(free);
    await _expectSame();
  },
);

test("limits are set and removed as BullMQ does", async () => {
  await queue.setGlobalConcurrency(3);
  await queue.setGlobalRateLimit(5, 1000);
  await apply({ ...free, concurrency: 3, rateLimit });
  await _expectSame();
  await queue.removeGlobalConcurrency();
  await queue.removeGlobalRateLimit();
  await apply(free);
  await _expectSame();
});

test("jobs counted under another rate delay no job, and those under the same rate still count", async () => {
  const { limiter } = queueKeys(toril.prefix, "q");
  await apply({ ...free, rateLimit });
  await redis.set(limiter, "5");
  await apply({ ...free, rateLimit });
  expect(await redis.get(limiter)).toBe("5");
  await apply({ ...free, rateLimit: { max: 6, durationMs: 1000 } });
  expect(await redis.exists(limiter)).toBe(0);
});

test("saying it again changes nothing", async () => {
  const settings: QueueSettings = { ...free, paused: true, concurrency: 2, rateLimit };
  await apply(settings);
  const before = await _state(toril.prefix);
  await apply(settings);
  expect(await _state(toril.prefix)).toEqual(before);
});

test("malformed settings are noticed, and replaced without touching the others", async () => {
  const areMalformed = createAreMalformed(redis, { prefix: toril.prefix, script });
  const { meta } = queueKeys(toril.prefix, "q");
  expect(await areMalformed("q")).toBe(false);
  for (const [field, value] of [
    ["concurrency", "abc"],
    ["max", "-1"],
    ["duration", "1.5"],
    ["paused", "yes"],
    ["opts.maxLenEvents", "many"],
  ] as const) {
    await redis.hset(meta, { version: "bullmq:6", max: "5", duration: "1000", [field]: value });
    expect(await areMalformed("q"), field).toBe(true);
    await apply(free, "malformed");
    expect(await areMalformed("q"), field).toBe(false);
    const kept = { version: "bullmq:6", max: "5", duration: "1000" };
    expect(await redis.hgetall(meta)).toEqual(
      field in kept ? { ...kept, [field]: undefined } : kept,
    );
    await redis.del(meta);
  }
  await redis.set(meta, "not a hash");
  expect(await areMalformed("q")).toBe(true);
  await apply({ ...free, concurrency: 3 }, "malformed");
  expect(await redis.hgetall(meta)).toEqual({ concurrency: "3" });
});
