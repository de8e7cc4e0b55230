import { expect, test } from "bun:test";
import { createLedgerBatcher } from "./ledger-batcher.ts";

test("entries of one event loop turn share a batch, with an outcome each", async () => {
  const batches: (readonly number[])[] = [];
  const { submit } = createLedgerBatcher({
    maxEntries: 100,
    flushMs: 5,
    async run(entries: readonly number[]) {
      batches.push(entries);
      return entries.map((entry) => entry * 10);
    },
  });
  async function later(entry: number) {
    for (let hop = 0; hop < entry; hop += 1) await Promise.resolve();
    return submit(entry);
  }

  expect(await Promise.all([0, 5, 50, 3].map(later))).toEqual([0, 50, 500, 30]);
  await submit(7);

  expect(batches).toEqual([[0, 3, 5, 50], [7]]);
});
