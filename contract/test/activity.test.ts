import { afterAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { createActivityLog, startActivityFlush } from "../src/engine/activity/activity-log.ts";
import { createActivityRecorder } from "../src/engine/activity/activity-recorder.ts";
import { testPrefix, testRedisUrl } from "./_stores.ts";

const redis = new Redis(testRedisUrl);
const prefix = testPrefix();

afterAll(async () => {
  const found = await redis.keys(`${prefix}:*`);
  if (found.length > 0) await redis.del(found);
  redis.disconnect();
});

test("what several processes record is added up, and the last gauge counts", async () => {
  const logs = [createActivityLog(redis, prefix), createActivityLog(redis, prefix)];
  for (const [index, log] of logs.entries()) {
    const recorder = createActivityRecorder();
    const flush = startActivityFlush(log, recorder);
    recorder.count("completed", 3);
    recorder.count("dead");
    recorder.observe("run", 15);
    await flush.close();
    await log.add(new Map(), { waiting: 7 + index });
    expect(recorder.take().size).toBe(0);
  }
  const { now, slots } = await logs[0]!.read();
  expect(slots.length).toBe(180);
  expect(slots.at(-1)!.at).toBeWithin(now - 10_000, now + 1);
  const sum = (name: string) =>
    slots.reduce((total, { fields }) => total + (fields.get(name) ?? 0), 0);
  expect([sum("completed"), sum("dead"), sum("run:4")]).toEqual([6, 2, 2]);
  expect(slots.findLast(({ fields }) => fields.has("waiting"))?.fields.get("waiting")).toBe(8);
});

test("the log takes bounded memory: every slot expires", async () => {
  const [key] = await redis.keys(`${prefix}:toril:*activity*`);
  expect(await redis.pttl(key!)).toBeWithin(30 * 60_000, 31 * 60_000);
});
