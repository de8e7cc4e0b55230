import { expect, test } from "bun:test";
import { z } from "zod";
import { fieldErrors } from "./problem.ts";

test("at most 25 field errors are built, whatever the number of unknown fields", () => {
  const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, n]));
  const issues = z.strictObject({ a: z.string() }).safeParse(unknown).error?.issues ?? [];
  const errors = fieldErrors(issues, "/job");
  expect(errors).toHaveLength(25);
  expect(errors.slice(0, 2).map(({ pointer }) => pointer)).toEqual(["/job/a", "/job/k0"]);

  let built = 0;
  const path = [{ toString: () => `${(built += 1)}` }] as unknown as string[];
  const issue = { code: "custom", path, message: "Wrong.", input: 0 } as const;
  expect(fieldErrors(Array.from({ length: 1000 }, () => issue))).toHaveLength(25);
  expect(built).toBe(25);
});
