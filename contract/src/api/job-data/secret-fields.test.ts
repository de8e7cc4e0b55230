import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { defineJob } from "../job-type.ts";
import { createFindSecretFields, secret } from "./secret-fields.ts";

function _pointers(schema: z.ZodType, data: unknown) {
  return createFindSecretFields(schema)?.(data).map(({ pointer }) => pointer);
}

const token = secret(z.string());

describe("the secrets of a schema", () => {
  test("a schema without secret fields has no finder", () => {
    const data = z.strictObject({
      message: z.string(),
      more: z.array(z.record(z.string(), z.int())),
    });

    expect(createFindSecretFields(data)).toBeUndefined();
    expect(
      defineJob({ type: "t", queue: "q", data, result: z.null() }).findSecrets,
    ).toBeUndefined();
  });

  test("are found in nested objects, arrays, tuples and records", () => {
    const schema = z.strictObject({
      token,
      login: z.strictObject({ user: z.string(), password: token }),
      accounts: z.array(z.strictObject({ name: z.string(), pin: secret(z.int()) })),
      pair: z.tuple([z.string(), token], token),
      "by/name": z.record(z.string(), token),
      open: z.looseObject({ known: z.string() }).catchall(token),
      whole: secret(z.strictObject({ inner: z.string() })),
    });

    expect(
      _pointers(schema, {
        token: "t",
        login: { user: "u", password: "p" },
        accounts: [
          { name: "a", pin: 1 },
          { name: "b", pin: 2 },
        ],
        pair: ["a", "b", "c"],
        "by/name": { "x~y": "v" },
        open: { known: "k", other: "o" },
        whole: { inner: "i" },
      }),
    ).toEqual([
      "/token",
      "/login/password",
      "/accounts/0/pin",
      "/accounts/1/pin",
      "/pair/1",
      "/pair/2",
      "/by~1name/x~0y",
      "/open/other",
      "/whole",
    ]);
  });

  test("are found under every wrapper and after later metadata", () => {
    const schema = z.object({
      a: token.optional(),
      b: token.nullable().default("x"),
      c: token.min(3).describe("long"),
      d: token.transform((text) => text.length),
      e: z.union([z.int(), token]),
      f: z.intersection(z.object({ g: token }), z.object({ h: z.string() })),
      i: z.lazy(() => token).readonly(),
      j: secret(z.string().meta({ description: "kept" })),
    });
    const data = { a: "1", b: "2", c: "333", d: 4, e: "5", f: { g: "6", h: "7" }, i: "8", j: "9" };

    expect(_pointers(schema, data)).toEqual(["/a", "/b", "/c", "/d", "/e", "/f/g", "/i", "/j"]);
  });

  test("are those of any alternative, each once", () => {
    const schema = z.object({
      via: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("basic"), password: token }),
        z.object({ kind: z.literal("other"), password: token, note: z.string() }),
      ]),
    });

    expect(_pointers(schema, { via: { kind: "other", password: "p", note: "n" } })).toEqual([
      "/via/password",
    ]);
  });

  test("are found in a schema that contains itself", () => {
    interface Tree {
      token?: string | undefined;
      children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.object({
      token: token.optional(),
      children: z.array(z.lazy(() => tree)),
    });

    const data = { children: [{ token: "a", children: [{ token: "b", children: [] }] }] };
    expect(_pointers(tree, data)).toEqual(["/children/0/token", "/children/0/children/0/token"]);
  });

  test("are found in data that does not match its schema, and only where a value exists", () => {
    const schema = z.object({ token: token.nullish(), list: z.array(token).optional() });

    expect(_pointers(schema, { token: 7, list: { x: 1 } })).toEqual(["/token", "/list/x"]);
    for (const data of [null, 7, "text", [], {}, { token: null }, { token: undefined, list: 1 }]) {
      expect(_pointers(schema, data)).toEqual([]);
    }
  });

  test("cannot be the data as a whole", () => {
    expect(() => createFindSecretFields(secret(z.object({})))).toThrow(TypeError);
  });

  test("are `writeOnly` in the documents", () => {
    expect(z.toJSONSchema(z.object({ token: token.optional() })).properties).toEqual({
      token: { type: "string", writeOnly: true },
    });
  });
});

test("values that JSON cannot represent are rejected as job data, so that they contain no secret", () => {
  expect(() => createFindSecretFields(z.map(z.string(), token))).toThrow("cannot be a map");
});
