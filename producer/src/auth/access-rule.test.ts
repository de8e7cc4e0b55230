import { expect, test } from "bun:test";
import { shippedApi } from "../../../contract/test/_job-types.ts";
import { pageRules, toAccessRule } from "./access-rule.ts";

const routes = Object.values(shippedApi);

test("only health checks, the home page and the files of the console need no authentication", () => {
  const rules = [
    ...routes.map((route) => [route.path, toAccessRule(route)] as const),
    ...Object.entries(pageRules),
  ];
  const open = rules.filter(([, { scope }]) => scope === "none").map(([path]) => path);
  expect(open.toSorted()).toEqual(["/", "/console", "/console/:page{.*}", "/livez", "/readyz"]);
});

test("operations and pages that affect all tenants require queues:read or queues:admin", () => {
  for (const route of routes) {
    const { scope, isShared } = toAccessRule(route);
    expect(isShared).toBe(scope === "queues:admin" || scope === "queues:read");
  }
  expect(pageRules["/admin/:page{.*}"]).toMatchObject({ scope: "queues:admin", isShared: true });
});
