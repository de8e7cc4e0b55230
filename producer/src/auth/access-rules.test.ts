import { expect, test } from "bun:test";
import { operations } from "../operations/operations.ts";
import { accessRuleFor } from "./access-rules.ts";

test("every operation has a door with its scope", () => {
  for (const operation of operations) {
    const door = accessRuleFor(operation.path, operation);
    expect(door).toBeDefined();
    const isOpen = operation.path === "/livez" || operation.path === "/readyz";
    expect(door?.scope === "none").toBe(isOpen);
  }
});

test.each(["/nowhere", "/admin", "/administrator", "/docs/", "/docs/x", "/metrics/", "//docs", ""])(
  "%j has no door",
  (path) => {
    expect(accessRuleFor(path, undefined)).toBeUndefined();
  },
);

test.each(["/admin/", "/admin/queues", "/admin/queues/api/queues", "/admin/what-comes-later"])(
  "%s opens to queues:admin alone",
  (path) => {
    expect(accessRuleFor(path, undefined)).toMatchObject({ scope: "queues:admin", isShared: true });
  },
);

test("hello is said to everybody, and a job is added for those who may", () => {
  expect(accessRuleFor("/", undefined)?.scope).toBe("none");
  expect(accessRuleFor("/template", undefined)?.scope).toBe("jobs:write");
});
