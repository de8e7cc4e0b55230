import { expect, test } from "bun:test";
import { choosePartBytes } from "./import-settings.ts";

test("a file has about 16 parts of 100 kB to 4 MB, and a large one no more than an import may have", () => {
  expect([10, 1_000_000, 3_200_000, 500_000_000].map(choosePartBytes)).toEqual([
    100_000, 100_000, 200_000, 4_000_000,
  ]);
  const size = 12_000_000_000;
  expect(size / choosePartBytes(size)).toBeLessThan(2000);
  expect(choosePartBytes(size)).toBeLessThanOrEqual(8_000_000);
  expect(choosePartBytes(undefined)).toBe(8_000_000);
  expect(() => choosePartBytes(100_000_000_000)).toThrow("split the file");
});
