import { expect, test } from "bun:test";
import { groupByTurn } from "./batch.ts";

test("entries of one event loop turn are submitted together, with an outcome each", async () => {
  const turns: number[][] = [[]];
  const submit = groupByTurn(async (entry: number) => {
    turns.at(-1)?.push(entry);
    if (entry === 3) throw new Error("not this one");
    return entry * 10;
  });
  async function later(entry: number) {
    for (let hop = 0; hop < entry; hop += 1) await Promise.resolve();
    return submit(entry);
  }

  const first = Promise.allSettled([0, 5, 50, 3].map(later));
  setImmediate(() => turns.push([]));
  const outcomes = await first;
  await submit(7);

  expect(turns.map((turn) => turn.toSorted((a, b) => a - b))).toEqual([[0, 3, 5, 50], [7]]);
  expect(outcomes.map((one) => (one.status === "fulfilled" ? one.value : one.status))).toEqual([
    0,
    50,
    500,
    "rejected",
  ]);
});
