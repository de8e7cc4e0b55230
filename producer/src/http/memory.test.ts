import { expect, test } from "bun:test";
import { createMemoryBudget } from "./memory.ts";

const maxBytes = 128_000_000;
const shop = { kind: "key", tenant: "shop" } as const;
const press = { kind: "token", tenant: "press" } as const;
const anyone = { kind: "open", tenant: "default" } as const;

test("a tenant may use at most half of the memory budget", () => {
  const memory = createMemoryBudget(maxBytes);
  memory.take(maxBytes / 2, shop);
  expect(() => memory.take(1, shop)).toThrow("Try again");
  memory.take(maxBytes / 2, press);
  expect(() => memory.take(1, { ...shop, tenant: "third" })).toThrow("Try again");
  memory.release(maxBytes / 2, shop);
  memory.take(maxBytes / 2, shop);
});

test("without authentication the whole budget is available to every caller", () => {
  const memory = createMemoryBudget(maxBytes);
  memory.take(maxBytes, anyone);
  expect(() => memory.take(1, anyone)).toThrow("Try again");
});
