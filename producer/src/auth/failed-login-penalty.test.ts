import { expect, test } from "bun:test";
import { createFailedLoginPenalty } from "./failed-login-penalty.ts";

function watched(wrongPerMinute: number) {
  let at = 1_000_000;
  const penalty = createFailedLoginPenalty(wrongPerMinute, () => at);
  return {
    penalty,
    pass: (seconds: number) => (at += seconds * 1000),
    note(address: string, times: number) {
      for (let count = 0; count < times; count += 1) penalty.countFailure(address);
    },
  };
}

test("an address is listened to again when its minute is over", () => {
  const { penalty, pass, note } = watched(3);
  note("192.0.2.1", 2);
  pass(20);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([true, 0]);
  note("192.0.2.1", 1);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([false, 40]);
  expect(penalty.secondsLeft("192.0.2.2")).toBe(0);
  pass(40);
  expect([penalty.isIdle(), penalty.secondsLeft("192.0.2.1")]).toEqual([true, 0]);
});

test("few wrong keys in each minute are no guessing", () => {
  const { penalty, pass, note } = watched(3);
  for (let minute = 0; minute < 10; minute += 1) {
    note("192.0.2.1", 2);
    expect(penalty.isIdle()).toBe(true);
    pass(60);
  }
});

test.each([
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", "2001:db8:1:3::1"],
  ["2001:db8::1", "2001:db8:0:0:9::1", "2001:db8:1::1"],
  ["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"],
])("%s guesses for %s too, and not for %s", (address, same, other) => {
  const { penalty, note } = watched(1);
  note(address, 1);
  expect(penalty.secondsLeft(same)).toBe(60);
  expect(penalty.secondsLeft(other)).toBe(0);
});

test("what is remembered is bounded, and whoever guessed last is remembered", () => {
  const { penalty, note } = watched(1);
  for (let count = 0; count < 10_001; count += 1) note(`192.0.${count >> 8}.${count & 255}`, 1);
  expect(penalty.secondsLeft("192.0.0.0")).toBe(0);
  expect(penalty.secondsLeft("192.0.39.16")).toBe(60);
});
