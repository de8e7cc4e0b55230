import { expect, test } from "bun:test";
import { createFailedLoginPenalty } from "./failed-login-penalty.ts";

function watched(wrongPerMinute: number) {
  let at = 1_000_000;
  const penalty = createFailedLoginPenalty(wrongPerMinute, () => at);
  return {
    penalty,
    pass: (seconds: number) => (at += seconds * 1000),
    fail(address: string, times: number) {
      for (let count = 0; count < times; count += 1) penalty.countFailure(address);
    },
  };
}

test("an address is blocked until its minute ends", () => {
  const { penalty, pass, fail } = watched(3);
  fail("192.0.2.1", 2);
  pass(20);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([true, 0]);
  fail("192.0.2.1", 1);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([false, 40]);
  expect(penalty.secondsLeft("192.0.2.2")).toBe(0);
  pass(40);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([true, 0]);
});

test("an address with few wrong keys a minute is not blocked", () => {
  const { penalty, pass, fail } = watched(3);
  for (let minute = 0; minute < 10; minute += 1) {
    fail("192.0.2.1", 2);
    expect(penalty.isIdle()).toBe(true);
    pass(60);
  }
});

test.each([
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", "2001:db8:1:3::1"],
  ["2001:db8::1", "2001:db8:0:0:9::1", "2001:db8:1::1"],
  ["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"],
])("failures of %s count for %s, but not for %s", (address, same, other) => {
  const { penalty, fail } = watched(1);
  fail(address, 1);
  expect(penalty.secondsLeft(same)).toBe(60);
  expect(penalty.secondsLeft(other)).toBe(0);
});

test("the number of addresses is limited, and the oldest are evicted first", () => {
  const { penalty, fail } = watched(1);
  for (let count = 0; count < 10_001; count += 1) fail(`192.0.${count >> 8}.${count & 255}`, 1);
  expect(penalty.secondsLeft("192.0.0.0")).toBe(0);
  expect(penalty.secondsLeft("192.0.39.16")).toBe(60);
});
