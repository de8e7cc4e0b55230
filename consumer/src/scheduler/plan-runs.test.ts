import { expect, test } from "bun:test";
import { findFireTime } from "./plan-runs.ts";

const nightly = { cron: "30 2 * * *", timeZone: "Europe/Berlin", misfire: "catch-up" } as const;

test.each([
  ["the spring gap", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00.000Z"],
  ["after the spring gap", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00.000Z"],
  ["the repeated hour in autumn", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00.000Z"],
  ["after the repeated hour", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00.000Z"],
])("the next fire time is correct at %s", (_, due, next) => {
  const at = new Date(due);
  const fireTime = findFireTime(nightly, at, new Date(at.getTime() + 20));
  expect(fireTime).toEqual({ scheduledFor: at, next: new Date(next), isSkipped: false });
});

test("clock changes in New York", () => {
  const rules = { ...nightly, timeZone: "America/New_York", cron: "30 1,2 * * *" };
  for (const [due, next] of [
    ["2026-03-08T06:30:00Z", "2026-03-08T07:00:00.000Z"],
    ["2026-03-08T07:00:00Z", "2026-03-09T05:30:00.000Z"],
    ["2026-11-01T05:30:00Z", "2026-11-01T07:30:00.000Z"],
  ] as const) {
    expect(findFireTime(rules, new Date(due), new Date(due)).next).toEqual(new Date(next));
  }
});

test("missed fire times yield the latest time, or none", () => {
  const due = new Date("2026-03-27T01:30:00Z");
  const now = new Date("2026-03-30T12:00:00Z");
  const expected = {
    scheduledFor: new Date("2026-03-30T00:30:00Z"),
    next: new Date("2026-03-31T00:30:00Z"),
  };
  expect(findFireTime(nightly, due, now)).toEqual({ ...expected, isSkipped: false });
  expect(findFireTime({ ...nightly, misfire: "skip" }, due, now)).toEqual({
    ...expected,
    isSkipped: true,
  });
});

test("a delay of less than a minute is not a misfire", () => {
  const due = new Date("2026-03-27T01:30:00Z");
  const now = new Date("2026-03-27T01:30:59Z");
  expect(findFireTime({ ...nightly, misfire: "skip" }, due, now)).toMatchObject({
    isSkipped: false,
  });
});

test("there is no fire time after `until`", () => {
  const due = new Date("2026-03-27T01:30:00Z");
  expect(findFireTime({ ...nightly, until: "2026-03-28T00:00:00Z" }, due, due).next).toBeNull();
});
