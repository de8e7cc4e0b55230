import { expect, test } from "bun:test";
import { getRetryDelay } from "./retry-delay.ts";

const rules = { baseMs: 5000, retryForMs: 3 * 24 * 3_600_000 };
const failed = (attempt: number, ageMs = 0, retryAfterMs?: number) =>
  getRetryDelay({ attempt, ageMs, retryAfterMs }, rules, () => 0.5);

test("the delay grows from 5 s to 12 hours", () => {
  expect([1, 2, 3, 4, 7, 8, 20].map((attempt) => failed(attempt))).toEqual([
    5000, 20_000, 80_000, 320_000, 20_480_000, 43_200_000, 43_200_000,
  ]);
});

test("an event is no longer retried after three days", () => {
  expect(failed(14, rules.retryForMs - 1)).toBe(43_200_000);
  expect(failed(14, rules.retryForMs)).toBeNull();
  expect(
    getRetryDelay(
      { attempt: 99, ageMs: 1e12, retryAfterMs: undefined },
      { ...rules, retryForMs: null },
    ),
  ).toBeGreaterThan(0);
});

test("a longer Retry-After replaces the delay", () => {
  expect(failed(1, 0, 60_000)).toBe(60_000);
  expect(failed(1, 0, 1000)).toBe(5000);
});

test("the jitter is at most a fifth", () => {
  const of = (random: number) =>
    getRetryDelay({ attempt: 1, ageMs: 0, retryAfterMs: undefined }, rules, () => random);
  expect([of(0), of(1)]).toEqual([4000, 6000]);
});
