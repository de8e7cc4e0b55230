import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Timing } from "../../api/schedule.ts";
import { previewFireTimes, toFireTimes } from "./fire-times.ts";

function localTimes(timing: Partial<Timing>, after: string, count: number) {
  const { times } = previewFireTimes({ timeZone: "UTC", ...timing }, new Date(after), count);
  for (const { at, local } of times) expect(Date.parse(local)).toBe(Date.parse(at));
  return times.map(({ local }) => local);
}

const berlin = "Europe/Berlin";
const newYork = "America/New_York";

test.each([
  // The clocks skip from 02:00 to 03:00.
  [berlin, "30 2 * * *", "2026-03-28T12:00:00Z", ["29T03:00:00+02:00", "30T02:30:00+02:00"]],
  [berlin, "*/20 2 * * *", "2026-03-28T12:00:00Z", ["29T03:00:00+02:00", "30T02:00:00+02:00"]],
  [berlin, "0 2,3 * * *", "2026-03-28T12:00:00Z", ["29T03:00:00+02:00", "30T02:00:00+02:00"]],
  [berlin, "30 2,3 * * *", "2026-03-28T12:00:00Z", ["29T03:00:00+02:00", "29T03:30:00+02:00"]],
  [berlin, "0 3 * * *", "2026-03-28T12:00:00Z", ["29T03:00:00+02:00", "30T03:00:00+02:00"]],
  [berlin, "59 1 * * *", "2026-03-28T12:00:00Z", ["29T01:59:00+01:00", "30T01:59:00+02:00"]],
  [berlin, "30 * * * *", "2026-03-29T00:00:00Z", ["29T01:30:00+01:00", "29T03:30:00+02:00"]],
  [newYork, "30 2 * * *", "2026-03-07T12:00:00Z", ["08T03:00:00-04:00", "09T02:30:00-04:00"]],
  // The hour from 02:00 to 03:00 is repeated, in New York the one from 01:00.
  [berlin, "30 2 * * *", "2026-10-24T12:00:00Z", ["25T02:30:00+02:00", "26T02:30:00+01:00"]],
  [berlin, "0,30 2 * * *", "2026-10-25T00:20:00Z", ["25T02:30:00+02:00", "26T02:00:00+01:00"]],
  [berlin, "30 2 * * *", "2026-10-25T01:00:00Z", ["26T02:30:00+01:00", "27T02:30:00+01:00"]],
  [berlin, "0 3 * * *", "2026-10-25T00:45:00Z", ["25T03:00:00+01:00", "26T03:00:00+01:00"]],
  [berlin, "30 * * * *", "2026-10-25T00:00:00Z", ["25T02:30:00+02:00", "25T02:30:00+01:00"]],
  [newYork, "30 1 * * *", "2026-10-31T12:00:00Z", ["01T01:30:00-04:00", "02T01:30:00-05:00"]],
  // A gap of half an hour.
  ["Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", ["04T02:30:00+11:00"]],
  // A gap of a whole day: Samoa crossed the date line.
  [
    "Pacific/Apia",
    "0 12 * * *",
    "2011-12-29T00:00:00Z",
    ["29T12:00:00-10:00", "31T00:00:00+14:00"],
  ],
] as const)("in %s, %s after %s", (timeZone, cron, after, expected) => {
  const found = localTimes({ cron, timeZone }, after, expected.length);
  expect(found.map((local) => local.slice(8))).toEqual([...expected]);
});

test("each minute of both clock changes fires once, by elapsed time", () => {
  for (const start of ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"]) {
    const { times } = previewFireTimes(
      { cron: "* * * * *", timeZone: berlin },
      new Date(start),
      180,
    );
    const minutes = times.map(({ at }) => (Date.parse(at) - Date.parse(start)) / 60_000);
    expect(minutes).toEqual(Array.from({ length: 180 }, (_, index) => index + 1));
  }
});

test.each(["?", "*,5", "5,*", "*/1", "0-23", "0-11,12-23", "*/2,1-23/2"])(
  "an hour field %s allows every hour, so it is treated as `*` at both time changes",
  (hour) => {
    for (const [after, count] of [
      ["2026-03-29T00:00:00Z", 3],
      ["2026-10-24T23:45:00Z", 4],
    ] as const) {
      const getTimes = (cron: string) => localTimes({ cron, timeZone: berlin }, after, count);
      expect(getTimes(`30 ${hour} * * *`)).toEqual(getTimes("30 * * * *"));
      expect(getTimes(`0 30 ${hour} ? * ?`)).toEqual(getTimes("30 * * * *"));
    }
  },
);

test("six fields have seconds first", () => {
  expect(localTimes({ cron: "15 30 2 * * *" }, "2026-01-01T02:30:14.999Z", 2)).toEqual([
    "2026-01-01T02:30:15+00:00",
    "2026-01-02T02:30:15+00:00",
  ]);
});

test("`from` and `until` belong to it, and an interval is counted from `from`", () => {
  const [from, until] = ["2026-05-01T00:00:00.250Z", "2026-05-01T00:00:03.250+00:00"];
  const fireTimes = toFireTimes({ everyMs: 1500, timeZone: "UTC", from, until });
  const times: string[] = [];
  for (let at = fireTimes.after(new Date(0)); at !== null; at = fireTimes.after(at)) {
    times.push(at.toISOString());
  }
  expect(times).toEqual([
    "2026-05-01T00:00:00.250Z",
    "2026-05-01T00:00:01.750Z",
    "2026-05-01T00:00:03.250Z",
  ]);
  expect(localTimes({ cron: "0 0 * * *", from: "2026-05-01T00:00:00Z" }, from, 1)).toEqual([
    "2026-05-02T00:00:00+00:00",
  ]);
});

const timings = fc.record({
  timeZone: fc.constantFrom("UTC", berlin, newYork, "Australia/Lord_Howe"),
  cron: fc.constantFrom("*/7 * * * *", "30 2 * * *", "0,40 1-3 * * *", "5 4 1 * *", "* * 2 * * *"),
});
const around = fc
  .tuple(
    fc.constantFrom("2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z", "2026-11-01T05:00:00Z"),
    fc.integer({ min: -90_000_000, max: 90_000_000 }),
  )
  .map(([change, offset]) => new Date(Date.parse(change) + offset));

test("times ascend, and the latest one is where going forward ends", () => {
  fc.assert(
    fc.property(timings, around, fc.nat(40), (timing, start, steps) => {
      const fireTimes = toFireTimes(timing);
      const due = fireTimes.after(start)!;
      let last = due;
      for (let step = 0; step < steps; step += 1) {
        const next = fireTimes.after(last)!;
        expect(next.getTime()).toBeGreaterThan(last.getTime());
        expect(fireTimes.after(new Date(next.getTime() - 1))).toEqual(next);
        last = next;
      }
      const next = fireTimes.after(last)!.getTime();
      for (const now of [last.getTime(), next - 1]) {
        expect(fireTimes.latest(due, new Date(now))).toEqual(last);
      }
    }),
    { numRuns: 50 },
  );
});

test("a century of missed fire times, one per second, is skipped without computing each", () => {
  const fireTimes = toFireTimes({ cron: "* * * * * *", timeZone: berlin });
  const latest = fireTimes.latest(
    new Date("2026-01-01T00:00:00Z"),
    new Date("2126-12-01T00:00:00.9Z"),
  );
  expect(latest.toISOString()).toBe("2126-12-01T00:00:00.000Z");
});
