import { expect, test } from "bun:test";
import { allotSlots } from "./allot-slots.ts";

const _due = (tenant: string, id: string, isFailing = false) => ({
  tenant,
  id,
  isFailing,
  lagMs: 0,
});
const limits = { free: 100, perWebhook: 4, countActive: () => 0, after: "" };
const _allot = (due: ReturnType<typeof _due>[], changes: Partial<typeof limits> = {}) =>
  Object.fromEntries(
    allotSlots(due, { ...limits, ...changes }).map(({ id, count }) => [id, count]),
  );

test("a webhook gets at most its concurrency, a failing one a single slot", () => {
  expect(_allot([_due("a", "1"), _due("a", "2", true)])).toEqual({ "1": 4, "2": 1 });
  expect(_allot([_due("a", "1"), _due("a", "2", true)], { countActive: () => 1 })).toEqual({
    "1": 3,
  });
});

test("tenants share the free slots, whatever the number of their webhooks", () => {
  const many = Array.from({ length: 10 }, (_, index) => _due("a", `a${index}`));
  const allotted = _allot([...many, _due("b", "b")], { free: 6 });
  expect(allotted["b"]).toBe(3);
  expect(Object.keys(allotted)).toHaveLength(4);
});

test("the webhooks after the one that was served last come first", () => {
  const due = ["1", "2", "3"].map((id) => _due("a", id));
  expect(_allot(due, { free: 2, after: "2" })).toEqual({ "3": 1, "1": 1 });
});
