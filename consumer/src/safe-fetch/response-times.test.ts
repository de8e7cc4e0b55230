import { expect, test } from "bun:test";
import { getFreshUntil } from "./response-times.ts";

test.each<[string, string | undefined, number | null]>([
  ["max-age=60", undefined, 60],
  ["public, Max-Age=60", undefined, 60],
  ['max-age="60"', undefined, 60],
  ["max-age=60", "20", 40],
  ["max-age=60", "60", null],
  ["max-age=60", "old", 60],
  ["max-age=99999999999999", undefined, 86_400],
  ["max-age=60, no-cache", undefined, null],
  ["no-store, max-age=60", undefined, null],
  ["max-age=0", undefined, null],
  ["max-age=-5", undefined, null],
  ["s-maxage=60", undefined, null],
  ["", undefined, null],
])("Cache-Control %p with Age %p: %p s", (cacheControl, age, seconds) => {
  const headers = { "cache-control": cacheControl, ...(age === undefined ? {} : { age }) };
  const until = getFreshUntil({ headers }, 1000);
  expect(until?.getTime() ?? null).toBe(seconds === null ? null : 1000 + seconds * 1000);
});
