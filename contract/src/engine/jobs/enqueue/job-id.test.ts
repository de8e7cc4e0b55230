import { expect, test } from "bun:test";
import { uuidv7 } from "uuidv7";
import { z } from "zod";
import { createJobId, createRowIds } from "./job-id.ts";

test.each([
  ["on Bun", createJobId],
  ["elsewhere", uuidv7],
])("ids %s are UUIDs of version 7, and ascend", (_, create) => {
  const ids = Array.from({ length: 20_000 }, create);
  expect(z.uuidv7().safeParse(ids[0]).success).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test("the ids of an import's rows are UUIDs of version 7, ascend, and are the same whenever a row is read", () => {
  const importId = createJobId();
  const ids = Array.from({ length: 20_000 }, (_, n) => createRowIds(importId)(n + 1));
  for (const id of [ids[0], ids.at(-1)]) expect(z.uuidv7().safeParse(id).success).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set([importId, ...ids]).size).toBe(20_001);
  expect(createRowIds("019c2f1e-7b1a-7c3d-8a4e-ffffffffffff")(3)).toBe(
    "019c2f1e-7b1a-7c3d-8a4e-000000000002",
  );
});
