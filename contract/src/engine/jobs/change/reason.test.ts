import { expect, test } from "bun:test";
import { toDeadLetterReason } from "./reason.ts";

test.each([
  ["connect ECONNREFUSED 10.0.0.7:5432", "Error: connect ECONNREFUSED #.#.#.#:#"],
  ["no order 019c2f1e-7b1a-7c3d-8a4e-5f6071829304", "Error: no order #"],
  [`Unexpected token "x" in 'a b', don't`, `Error: Unexpected token "..." in '...', don't`],
  ["object 5f3c9a0b1e2d4f6a7b8c is gone", "Error: object # is gone"],
  ["two\n  lines", "Error: two lines"],
  ["\ud800", "Error: \ufffd"],
])("%j died of %j", (message, reason) => {
  expect(toDeadLetterReason({ name: "Error", message })).toBe(reason);
});

test("is short, and quick to find in a long message", () => {
  expect(toDeadLetterReason({ name: "Error", message: `'"`.repeat(1_000_000) })).toHaveLength(200);
});
