import { expect, test } from "bun:test";
import { UsageError } from "./command.ts";
import { parseDuration } from "./duration.ts";

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["12h", 43_200_000],
  ["30d", 2_592_000_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration("expires", text)).toBe(ms);
});

test.each(["", "30", "d", "0d", "-1d", "1.5h", "1w", "30 d", "123456d", "tomorrow"])(
  "%j is no time",
  (text) => {
    expect(() => parseDuration("expires", text)).toThrow(UsageError);
  },
);
