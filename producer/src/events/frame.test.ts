import { expect, test } from "bun:test";
import { decodeCursor, encodeCursor, encodeFinalCursor, isAfter, isFinalCursor } from "./frame.ts";

test("a cursor contains the position of each queue", () => {
  const positions = { default: "1764150000000-3", feeds: "0-0" };
  expect(decodeCursor(encodeCursor(positions), ["default", "feeds"])).toEqual(positions);
});

test("a queue that is not in the cursor is read from its beginning", () => {
  expect(decodeCursor("default:5-0", ["default", "feeds"])).toEqual({
    default: "5-0",
    feeds: "0-0",
  });
});

test.each(["nonsense", "default:1", "default:1-0;end", ":1-0", "default:-1-0,", "default:1-0,,"])(
  "the id %p is not a cursor",
  (id) => expect(decodeCursor(id, ["default"])).toBeUndefined(),
);

test("the final cursor of a stream is recognized", () => {
  expect(isFinalCursor(encodeFinalCursor({ default: "1-0" }))).toBe(true);
  expect(isFinalCursor(encodeCursor({ default: "1-0" }))).toBe(false);
});

test("positions are compared as numbers, also beyond 2^53", () => {
  expect(isAfter("10-0", "9-0")).toBe(true);
  expect(isAfter("9-10", "9-9")).toBe(true);
  expect(isAfter("18446744073709551615-1", "18446744073709551614-2")).toBe(true);
  expect(isAfter("9-9", "9-9")).toBe(false);
});
