import { describe, expect, test } from "bun:test";
import { createFirstDelivery } from "./first-delivery.ts";

const openedAt = 1_700_000_000_000;

function _createWorld() {
  let now = openedAt;
  let changedAt = 0;
  const freshness = createFirstDelivery(
    () => now,
    () => changedAt,
  );
  return {
    freshness,
    pass(ms: number) {
      now += ms;
    },
    lose() {
      changedAt = now;
    },
    isFresh: (changes: { ageMs?: number } & Record<string, unknown> = {}) => {
      const { ageMs = 10, ...rest } = changes;
      return freshness.isFirst({
        timestamp: now - ageMs,
        attemptsStarted: 1,
        attemptsMade: 0,
        stalledCounter: 0,
        opts: {},
        ...rest,
      });
    },
  };
}

describe("a job may start without a ledger check", () => {
  test("when it was dispatched moments ago on a stable connection", () => {
    const world = _createWorld();
    world.pass(10_000);

    expect(world.isFresh()).toBe(true);
    expect(world.isFresh({ ageMs: 0 })).toBe(true);
    expect(world.isFresh({ ageMs: 2999 })).toBe(true);
  });

  test.each([
    ["seconds ago", { ageMs: 3000 }],
    ["in the future, by another clock", { ageMs: -1 }],
    ["by the reconciler", { opts: { recovered: true } }],
    ["once, and started before", { attemptsStarted: 2 }],
    ["once, and failed before", { attemptsMade: 1 }],
    ["once, and stalled", { stalledCounter: 1 }],
    ["at an unknown time", { timestamp: Number.NaN }],
  ])("but not when it was dispatched %s", (_, changes) => {
    const world = _createWorld();
    world.pass(10_000);

    expect(world.isFresh(changes)).toBe(false);
  });

  test.each(["start", "check", "loss"])(
    "but not when it was dispatched before or soon after a %s",
    (of) => {
      const world = _createWorld();
      if (of !== "start") world.pass(10_000);
      if (of === "check") world.freshness.requireLedgerCheck();
      if (of === "loss") world.lose();

      expect(world.isFresh()).toBe(false);
      world.pass(2000);
      expect(world.isFresh({ ageMs: 2500 })).toBe(false);
      expect(world.isFresh()).toBe(false);
      world.pass(1500);
      expect(world.isFresh()).toBe(true);
      expect(world.isFresh({ ageMs: 1000 })).toBe(false);
    },
  );
});
