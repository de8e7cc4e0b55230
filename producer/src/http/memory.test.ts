import { expect, test } from "bun:test";
import { echo } from "@toril/contract/api/job-types/echo";
import { createRegistry } from "@toril/contract/api/registry";
import { openPrincipal } from "../auth/principal.ts";
import { readBytes } from "./body.ts";
import { createMemoryBudget, createReadPace } from "./memory.ts";
import { ProblemError } from "./problem.ts";
import { RequestContext } from "./request-context.ts";

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

test("a tenant may read a burst of bytes, then 64 MB per second", () => {
  let now = 0;
  const pace = createReadPace(() => now);
  expect(pace.take(8_000_000, "shop")).toBe(0);
  expect(pace.take(32_000_000, "shop")).toBe(500);
  expect(pace.take(8_000_000, "press")).toBe(0);
  now = 500;
  expect(pace.take(6400, "shop")).toBeCloseTo(0.1);
  now = 60_000;
  expect(pace.take(8_000_000, "shop")).toBe(0);
  expect(pace.take(64_000, "shop")).toBe(1);
});

test("large bodies count against the pace of their tenant, and refused ones as if they had been read", async () => {
  const pace = createReadPace(() => 0);
  const read = (bytes: number, check?: () => never) => {
    const body = new Uint8Array(bytes);
    const request = new Request("http://toril/", { method: "POST", body });
    request.headers.set("content-length", String(bytes));
    const context = new RequestContext(request, {
      requestId: "1",
      path: "/",
      jobTypes: createRegistry([echo]),
      memory: createMemoryBudget(maxBytes),
      readPace: pace,
      findQuota: () => {
        throw new Error("the principal has no quotas");
      },
      address: () => "127.0.0.1",
      connection: { address: "127.0.0.1", setIdleTimeout() {} },
    });
    context.principal = openPrincipal;
    return readBytes(context, bytes, undefined, check);
  };
  await read(64_000);
  expect(pace.take(8_000_000, openPrincipal.tenant)).toBe(0);
  await read(128_000);
  expect(pace.take(0, openPrincipal.tenant)).toBe(2);
  const refuse = () => {
    throw new ProblemError("invalid-json");
  };
  await expect(read(6_400_000, refuse)).rejects.toThrow(ProblemError);
  expect(pace.take(0, openPrincipal.tenant)).toBe(102);
});
