import { expect, test } from "bun:test";
import { createColumnCounter } from "./column-counter.ts";

test("a column beyond its limits is counted by its first values and a sample", () => {
  const counter = createColumnCounter("n", { maxDistinct: 100, maxNumbers: 1000 });
  for (let n = 0; n < 100_000; n++) counter.add(String(n % 10_000));

  const { distinct, isDistinctExact, top, numbers } = counter.stats();

  expect([distinct, isDistinctExact]).toEqual([100, false]);
  expect(top[0]).toEqual({ value: "0", count: 10 });
  expect(numbers).toMatchObject({
    count: 100_000,
    min: 0,
    max: 9999,
    isExact: false,
  });
  expect(numbers?.mean).toBeCloseTo(4999.5, 6);
  expect(Math.abs((numbers?.median ?? 0) - 5000)).toBeLessThan(500);
  expect(Math.abs((numbers?.p95 ?? 0) - 9500)).toBeLessThan(300);
});

test("long values are distinguished by their beginning", () => {
  const counter = createColumnCounter("text", { maxDistinct: 100, maxNumbers: 1 });
  for (const end of ["a", "b"]) counter.add("x".repeat(1000) + end);

  expect(counter.stats()).toMatchObject({
    count: 2,
    longest: 1001,
    distinct: 1,
    isDistinctExact: false,
    top: [{ value: "x".repeat(200), count: 2 }],
  });
});
