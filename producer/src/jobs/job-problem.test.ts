import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { shippedRegistry } from "../../../contract/test/_job-types.ts";
import { toJobProblem } from "./job-problem.ts";

function _error(message: string) {
  return new z.ZodError([{ code: "custom", path: ["data", "x"], message, input: undefined }]);
}

describe("the problem of an invalid job", () => {
  test("contains no secrets of its data", () => {
    const value = { type: "feed.fetch", data: { authorization: "swordfish" } };

    expect(toJobProblem(shippedRegistry, value, _error("not swordfish again"))).toMatchObject({
      kind: "invalid-job",
      errors: [{ pointer: "/data/x", detail: "not [secret] again" }],
    });
  });

  test("is unchanged for a type without secrets, or without a type", () => {
    for (const value of [{ type: "echo", data: { authorization: "swordfish" } }, null, 7, {}]) {
      expect(toJobProblem(shippedRegistry, value, _error("not swordfish"))).toMatchObject({
        kind: "invalid-job",
        errors: [{ pointer: "/data/x", detail: "not swordfish" }],
      });
    }
  });

  test("is job-type-not-found for an unknown type", () => {
    expect(toJobProblem(shippedRegistry, { type: "none" }, _error("no"))).toMatchObject({
      kind: "job-type-not-found",
    });
  });
});
