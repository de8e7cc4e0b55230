import { describe, expect, test } from "bun:test";
import { isStorableText } from "../../../api/json/json.ts";
import { toJobError, toReason } from "./job-error.ts";

describe("a thrown value", () => {
  test.each([
    ["a number", 7, "7"],
    ["null", null, "null"],
    ["a symbol", Symbol("sign"), "Symbol(sign)"],
    ["an object without a prototype", Object.create(null), "The thrown value cannot be read."],
  ])("is converted when it is %s", (_, thrown: unknown, message) => {
    expect(toJobError(thrown)).toEqual({ name: "Error", message });
  });

  test("is converted when its fields have other types", () => {
    const error = Object.assign(new Error(), { name: 7, message: { no: "text" }, stack: 1 });

    expect(toJobError(error)).toEqual({ name: "7", message: "[object Object]" });
  });

  test("is converted when its fields cannot be read", () => {
    const error = Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("never");
      },
    });

    expect(toJobError(error)).toMatchObject({ message: "The thrown value cannot be read." });
  });

  test("is truncated to text that Postgres stores, also within a surrogate pair", () => {
    const error = new Error(`${"x".repeat(999)}🐂\0`);
    error.stack = `${"s".repeat(7999)}🐂`;

    const { message, stack } = toJobError(error);

    expect(message.length).toBe(1000);
    expect(stack?.length).toBe(8000);
    expect([message, stack ?? ""].map(isStorableText)).toEqual([true, true]);
    expect(toReason({ name: "n".repeat(100), message }).length).toBe(1000);
  });
});
