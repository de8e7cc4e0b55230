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

/** Stands for a hash: the digits of the text. */
const sha256 = (text: string) =>
  Array.from(text, (character) => character.charCodeAt(0).toString(16))
    .join("")
    .slice(0, 64)
    .padEnd(64, "0");

test("the ids of an import's rows are UUIDs of version 7, ascend, and are the same whenever a row is read", () => {
  const importId = createJobId();
  const ids = Array.from({ length: 20_000 }, (_, n) =>
    createRowIds("acme", importId, sha256)(n + 1),
  );
  for (const id of [ids[0], ids.at(-1)]) expect(z.uuidv7().safeParse(id).success).toBe(true);
  expect(ids.map((id) => id.slice(0, 13))).toEqual(ids.map(() => importId.slice(0, 13)));
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set([importId, ...ids]).size).toBe(20_001);
});

test("the last bits of a row's id overflow, and two tenants with one import ID have other rows", () => {
  const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
  const overflowing = createRowIds("acme", importId, () => `${"0".repeat(6)}${"f".repeat(12)}00`);
  expect(overflowing(3)).toBe("019c2f1e-7b1a-7000-8000-000000000002");
  const [one, other] = ["acme", "other"].map((tenant) => createRowIds(tenant, importId, sha256)(1));
  expect(one!.slice(14)).not.toBe(other!.slice(14));
});
