import { expect, test } from "bun:test";
import { createConnectionLimit } from "./connection-limit.ts";

const key = (tenant: string, id = "k") => ({ tenant, id, kind: "key" as const });

test("one key may hold a quarter of the connections, and one tenant half", () => {
  const limit = createConnectionLimit(8);
  const first = limit.acquire(key("a"));
  expect(limit.acquire(key("a"))).toBeFunction();
  expect(limit.acquire(key("a"))).toBe("key");
  expect(limit.acquire(key("a", "other"))).toBeFunction();
  expect(limit.acquire(key("a", "other"))).toBeFunction();
  expect(limit.acquire(key("a", "third"))).toBe("tenant");
  for (const tenant of ["b", "c"]) {
    for (let n = 0; n < 2; n += 1) expect(limit.acquire(key(tenant))).toBeFunction();
  }
  expect(limit.acquire(key("d"))).toBe("all");
  expect(limit.count).toBe(8);
  if (typeof first === "string") throw new Error("the first was refused");
  first();
  first();
  expect(limit.count).toBe(7);
  expect(limit.acquire(key("a"))).toBeFunction();
});

test("without authentication only the total is limited", () => {
  const limit = createConnectionLimit(3);
  const open = { tenant: "default", id: "open", kind: "open" as const };
  for (let n = 0; n < 3; n += 1) expect(limit.acquire(open)).toBeFunction();
  expect(limit.acquire(open)).toBe("all");
});
