import { expect, test } from "bun:test";
import { createListenerLimit } from "./listener-limit.ts";

const key = (tenant: string, id = "k") => ({ tenant, id, kind: "key" as const });

test("one key gets a quarter of the places, and one tenant half", () => {
  const limit = createListenerLimit(8);
  const first = limit.take(key("a"));
  expect(limit.take(key("a"))).toBeFunction();
  expect(limit.take(key("a"))).toBe("key");
  expect(limit.take(key("a", "other"))).toBeFunction();
  expect(limit.take(key("a", "other"))).toBeFunction();
  expect(limit.take(key("a", "third"))).toBe("tenant");
  for (const tenant of ["b", "c"]) {
    for (let n = 0; n < 2; n += 1) expect(limit.take(key(tenant))).toBeFunction();
  }
  expect(limit.take(key("d"))).toBe("all");
  expect(limit.taken).toBe(8);
  if (typeof first === "string") throw new Error("the first was refused");
  first();
  first();
  expect(limit.taken).toBe(7);
  expect(limit.take(key("a"))).toBeFunction();
});

test("while the service is open, only the total counts", () => {
  const limit = createListenerLimit(3);
  const open = { tenant: "default", id: "open", kind: "open" as const };
  for (let n = 0; n < 3; n += 1) expect(limit.take(open)).toBeFunction();
  expect(limit.take(open)).toBe("all");
});
