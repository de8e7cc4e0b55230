import { describe, expect, test } from "bun:test";
import { jobTypeLimits } from "../../api/job-type-registration.ts";
import { findBreakingChanges } from "./breaking-registration.ts";
import { checkSchema } from "./check-schema.ts";
import { expandSchema } from "./expand-schema.ts";
import type { JsonSchema } from "./references.ts";
import { validatedBySchema } from "./validated-by-schema.ts";

const tree = (more: JsonSchema = {}): JsonSchema => ({
  type: "object",
  properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#" } } },
  required: ["name"],
  additionalProperties: false,
  ...more,
});

const expression = (operand: JsonSchema = { type: "number" }): JsonSchema => ({
  $ref: "#/$defs/expression",
  $defs: {
    expression: { anyOf: [operand, { $ref: "#/$defs/sum" }] },
    sum: { type: "array", items: { $ref: "#/$defs/expression" }, minItems: 2 },
  },
});

const pointers = (schema: JsonSchema) => checkSchema(schema, "/data").map(({ pointer }) => pointer);

describe("a recursive schema", () => {
  test("is accepted if each recursion is within a part of the value", () => {
    expect(pointers(tree())).toEqual([]);
    expect(pointers(expression())).toEqual([]);
    expect(pointers({ anyOf: [{ type: "string" }, { $ref: "#" }] })).toEqual([
      "/data/anyOf/1/$ref",
    ]);
    const $defs = {
      a: { allOf: [{ $ref: "#/$defs/b" }] },
      b: { if: { $ref: "#/$defs/a" } },
    };
    expect(pointers({ $defs })).toEqual(["/data/$defs/a/allOf/0/$ref"]);
    expect(pointers({ properties: { a: { $ref: "#/$defs/missing" } } })).toEqual([
      "/data/properties/a/$ref",
    ]);
  });

  test("validates every level, with pointers", () => {
    const schema = validatedBySchema(tree());
    const leaf = { name: "leaf" };
    expect(schema.safeParse({ name: "root", children: [leaf, leaf] }).success).toBe(true);
    const wrong = { name: "root", children: [leaf, { name: "node", children: [{ name: 1 }] }] };
    const issues = schema.safeParse(wrong).error?.issues ?? [];
    expect(issues.map(({ path }) => path.join("/"))).toEqual(["children/1/children/0/name"]);

    const sums = validatedBySchema(expression());
    expect(sums.safeParse([1, [2, [3, 4]]]).success).toBe(true);
    expect(sums.safeParse([1, [2, [3]]]).success).toBe(false);
  });

  test("whose alternatives multiply with each level of the data is stopped", () => {
    const part = { type: "array", items: { $ref: "#" } };
    const schema: JsonSchema = { anyOf: [part, { ...part, maxItems: 9 }, { type: "string" }] };
    expect(pointers(schema)).toEqual([]);
    let data: unknown = 1;
    for (let depth = 0; depth < 90; depth += 1) data = [data];
    const issues = validatedBySchema(schema).safeParse(data).error?.issues ?? [];
    expect(issues.map(({ message }) => message)).toEqual([
      "Too many values for the recursive schema.",
    ]);
    // The limit is that of one value.
    const items = Array.from({ length: jobTypeLimits.recursiveVisits / 2 }, () => ({ name: "a" }));
    const large = { name: "root", children: items };
    const trees = validatedBySchema(tree());
    for (const value of [large, large, large]) expect(trees.safeParse(value).success).toBe(true);
  });

  test("that examines large texts or lists again and again is stopped", () => {
    const part = { type: "array", items: { $ref: "#" } };
    const parts = [part, { ...part, maxItems: 9 }];
    const list = { type: "object", properties: { list: { items: { type: "string" } } } };
    const schema: JsonSchema = { anyOf: [...parts, { type: "string", maxLength: 5 }, list] };
    expect(pointers(schema)).toEqual([]);
    const texts = Array.from({ length: 5000 }, () => "a");
    for (const large of ["a".repeat(300_000), { list: texts }]) {
      let data: unknown = large;
      for (let depth = 0; depth < 8; depth += 1) data = [data];
      const issues = validatedBySchema(schema).safeParse(data).error?.issues ?? [];
      expect(issues.map(({ message }) => message)).toEqual([
        "Too many values for the recursive schema.",
      ]);
    }
  });

  test("without a reference from the root is bounded, too", () => {
    const names = Array.from({ length: 12 }, (_, index) => `d${index}`);
    const twice = names.map((name, index): [string, JsonSchema] => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [name, { anyOf: [next, next] }];
    });
    const properties = { x: { $ref: "#/$defs/r" }, y: { $ref: "#/$defs/d0" } };
    const $defs = { ...Object.fromEntries(twice), d12: {}, r: { properties } };
    expect(pointers({ $defs })).toEqual(["/data"]);
  });

  test("is documented once, and anything is accepted below", () => {
    const { properties } = expandSchema(tree()) as { properties: JsonSchema };
    expect(properties["children"]).toEqual({
      type: "array",
      items: { description: "Again the whole schema" },
    });
    expect(expandSchema(expression())).toEqual({
      anyOf: [{ type: "number" }, { description: "Again the schema of sum" }],
    });
  });

  test("with many definitions that refer to each other is bounded", () => {
    const names = Array.from({ length: 25 }, (_, index) => `d${index}`);
    const properties = Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }]));
    const $defs = Object.fromEntries(names.map((name) => [name, { properties }]));
    expect(pointers({ $defs, properties })).toEqual([]);
    const many = Object.fromEntries(names.map((name) => [name, { allOf: [{ properties }] }]));
    expect(JSON.stringify(expandSchema({ $defs: many, properties })).length).toBeLessThan(400_000);
  });
});

describe("a change of a recursive schema", () => {
  const changes = (before: JsonSchema, after: JsonSchema) => {
    const base = { queue: "q", worker: "pull" as const };
    const all = findBreakingChanges({ ...base, data: before }, { ...base, data: after });
    return all.map(({ pointer }) => pointer);
  };

  test("breaks nothing if it is the same or looser", () => {
    expect(changes(tree(), tree())).toEqual([]);
    expect(changes(tree(), tree({ required: [] }))).toEqual([]);
    expect(changes(tree(), {})).toEqual([]);
  });

  test("is compared at each level", () => {
    const stricter = tree({ required: ["name", "children"] });
    expect(changes(tree(), stricter)).toContain("/data/required");
    expect(changes(expression(), expression({ type: "integer" }))).not.toEqual([]);
    const finite = tree({
      properties: {
        name: { type: "string" },
        children: { type: "array", items: tree({ properties: { name: { type: "string" } } }) },
      },
    });
    expect(changes(finite, tree())).toEqual([]);
    expect(changes(tree(), finite)).toEqual([
      "/data/properties/children/items/properties/children",
    ]);
    expect(changes({}, tree())).not.toEqual([]);
    const not = (type: string) => ({
      not: { $ref: "#/$defs/a" },
      $defs: { a: { type, items: { $ref: "#/$defs/a" } } },
    });
    expect(changes(not("array"), not("array"))).toEqual([]);
    expect(changes(not("array"), not("object"))).toEqual(["/data/not"]);
  });
});
