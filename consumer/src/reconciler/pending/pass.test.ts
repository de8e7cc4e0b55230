import { expect, test } from "bun:test";
import { createPassSchedule } from "./pass.ts";

test("a routine pass becomes urgent when Redis may have lost jobs, and so do the two passes that follow", async () => {
  const { signal } = new AbortController();
  const schedule = createPassSchedule({ intervalMs: 0, graceMs: 0 });
  const first = schedule.begin();
  expect(schedule.isUrgent(first)).toBe(false);

  schedule.wake("data loss");
  expect(schedule.isUrgent(first)).toBe(true);

  const reasons = [first];
  const areUrgent: boolean[] = [];
  for (let count = 0; count < 3; count += 1) {
    const reason = await schedule.next(reasons.at(-1) ?? first, signal);
    reasons.push(reason);
    areUrgent.push(schedule.isUrgent(reason));
  }
  expect(reasons).toEqual(["leading", "data loss", "grace", "interval"]);
  expect(areUrgent).toEqual([true, true, false]);
});
