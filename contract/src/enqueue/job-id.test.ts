import { expect, test } from "bun:test";
import { uuidv7 } from "uuidv7";
import { z } from "zod";
import { createJobId } from "./job-id.ts";

test.each([
  ["on Bun", createJobId],
  ["elsewhere", uuidv7],
])("ids %s are UUIDs of version 7, and ascend", (_, create) => {
  const ids = Array.from({ length: 20_000 }, create);
  expect(z.uuidv7().safeParse(ids[0]).success).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
