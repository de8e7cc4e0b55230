import { afterEach, expect, setSystemTime, test } from "bun:test";
import { getDueMs } from "./attempt-metrics.ts";

afterEach(() => setSystemTime());

test.each([
  ["a job without a delay, from its dispatch", 1000, 0, 4000],
  ["a delayed job, from its due time", 1000, 500, 3500],
  ["a promoted job, from its start", 1000, 90_000, 3000],
  ["a job whose hash Redis lost, from an unknown time", 0, 0, undefined],
])("the time to settle counts for %s", (_, timestamp, delay, expected) => {
  setSystemTime(5000);
  expect(getDueMs({ timestamp, opts: { delay }, processedOn: 2000 })).toBe(expected);
});
