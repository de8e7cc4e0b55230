import { expect, test } from "bun:test";
import { estimateQuantiles, findBucket } from "./durations.ts";

test("quantiles lie within the bucket of the true value", () => {
  const durations = Array.from({ length: 1000 }, (_, index) => index + 1);
  const counts = new Map<number, number>();
  for (const ms of durations) counts.set(findBucket(ms), (counts.get(findBucket(ms)) ?? 0) + 1);
  const quantiles = estimateQuantiles(counts)!;
  expect(quantiles.p50).toBeWithin(200, 501);
  expect(quantiles.p95).toBeWithin(500, 1001);
});

test("a duration beyond all bounds counts as the last bound", () => {
  expect(estimateQuantiles(new Map([[findBucket(1e9), 1]]))).toEqual({
    p50: 1_800_000,
    p95: 1_800_000,
  });
});

test("without durations there are no quantiles", () => {
  expect(estimateQuantiles(new Map())).toBeUndefined();
});
