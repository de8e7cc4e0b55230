import { expect, test } from "bun:test";
import { z } from "zod";
import { createJobId } from "./job-id.ts";

test("an id is a UUID of version 7 that tells the second it was made in", () => {
  const id = createJobId();
  expect(z.uuidv7().safeParse(id).success).toBe(true);
  const madeAtMs = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  expect(Math.abs(madeAtMs - Date.now())).toBeLessThan(1000);
});

test("ids ascend, also when more are made than a millisecond has numbers", () => {
  const ids = Array.from({ length: 20_000 }, createJobId);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
