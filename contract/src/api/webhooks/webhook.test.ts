import { expect, test } from "bun:test";
import { isAtOrBelow } from "./webhook.ts";

test("a callback URL cannot leave the path of its webhook", () => {
  const base = "https://shop.example/hooks";
  const isBelow = (path: string) => isAtOrBelow(`https://shop.example${path}`, base);
  const inside = ["/hooks", "/hooks/", "/hooks/a%20b?x=%2F", "/hooks/a/../b"];
  expect(inside.filter((path) => !isBelow(path))).toEqual([]);
  const outside = ["/hooks2", "/hooks/../admin", "/hooks/%2e%2e/admin", "/hooks/..\\admin"];
  const encoded = ["/hooks/..%2fadmin", "/hooks/..%2Fadmin", "/hooks/..%5Cadmin"];
  expect([...outside, ...encoded].filter(isBelow)).toEqual([]);
  expect(isAtOrBelow("https://shop.example:444/hooks", base)).toBe(false);
  expect(isAtOrBelow("http://shop.example/hooks", base)).toBe(false);
});
