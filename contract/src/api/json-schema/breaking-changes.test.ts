import { OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import { expect, test } from "bun:test";
import { createJobRequestSchema } from "../jobs/job-request.ts";
import { defineJob } from "../job-type.ts";
import { buildOpenApi } from "../openapi/openapi.ts";
import { z } from "zod";
import { shippedApi } from "../../../test/_job-types.ts";
import { breakingChanges, type Document } from "./breaking-changes.ts";

const base = {
  to: z.string().max(100),
  subject: z.string().optional(),
  kind: z.enum(["text", "html"]).optional(),
  copies: z.number().min(1).optional(),
  tags: z.array(z.string().max(20)).max(5).optional(),
  sender: z.strictObject({ name: z.string(), address: z.string().optional() }).optional(),
  place: z.union([z.string(), z.strictObject({ city: z.string() })]).optional(),
};

function _toJson(document: object): Document {
  return JSON.parse(JSON.stringify(document)) as Document;
}

/** A document with a job type whose data has these fields. */
function _createDocument(fields: z.ZodRawShape): Document {
  const result = z.null();
  const mail = defineJob({
    type: "mail",
    queue: "default",
    data: z.strictObject(fields),
    result,
  });
  const generator = new OpenApiGeneratorV31([
    { type: "schema", schema: createJobRequestSchema(mail) },
  ]);
  return _toJson(generator.generateComponents());
}

function _pointers(fields: z.ZodRawShape, before: z.ZodRawShape = base) {
  return breakingChanges(_createDocument(before), _createDocument(fields)).map(
    ({ pointer }) => pointer,
  );
}

const data = "JobRequest.mail/properties/data";

test("identical documents have no breaking changes", () => {
  expect(_pointers(base)).toEqual([]);
  const document = _toJson(buildOpenApi(shippedApi, "1.0.0"));
  expect(Object.keys(document.components?.schemas ?? {})).toContain("JobRequest.echo");
  expect(breakingChanges(document, structuredClone(document))).toEqual([]);
});

test.each<[string, z.ZodRawShape, string[]]>([
  ["a field becomes required", { ...base, subject: z.string() }, [`${data}/required`]],
  ["a new required field", { ...base, when: z.string() }, [`${data}/required`]],
  [
    "a narrower type",
    { ...base, copies: z.int().min(1).optional() },
    [`${data}/properties/copies/type`],
  ],
  ["another type", { ...base, to: z.boolean() }, [`${data}/properties/to/type`]],
  [
    "a removed enum value",
    { ...base, kind: z.enum(["text"]).optional() },
    [`${data}/properties/kind/enum`],
  ],
  [
    "a new enum",
    { ...base, subject: z.enum(["a"]).optional() },
    [`${data}/properties/subject/enum`],
  ],
  [
    "a removed field",
    { to: base.to },
    Object.keys(base)
      .slice(1)
      .map((name) => `${data}/properties/${name}`),
  ],
  ["a tighter limit", { ...base, to: z.string().max(99) }, [`${data}/properties/to/maxLength`]],
  [
    "a higher minimum",
    { ...base, copies: z.number().min(2).optional() },
    [`${data}/properties/copies/minimum`],
  ],
  [
    "a new limit",
    { ...base, subject: z.string().min(1).optional() },
    [`${data}/properties/subject/minLength`],
  ],
  [
    "a new pattern",
    { ...base, to: z.string().max(100).regex(/@/) },
    [`${data}/properties/to/pattern`],
  ],
  [
    "a tighter limit on array items",
    { ...base, tags: z.array(z.string().max(10)).max(5).optional() },
    [`${data}/properties/tags/items/maxLength`],
  ],
  [
    "a nested field becomes required",
    { ...base, sender: z.strictObject({ name: z.string(), address: z.string() }).optional() },
    [`${data}/properties/sender/required`],
  ],
  [
    "a removed alternative",
    { ...base, place: z.string().optional() },
    [`${data}/properties/place/anyOf/1/type`],
  ],
])("%s", (_, fields, pointers) => {
  expect(_pointers(fields)).toEqual(pointers);
});

test.each<[string, z.ZodRawShape]>([
  ["a field is optional", { ...base, to: base.to.optional() }],
  ["a new field is optional", { ...base, when: z.string().optional() }],
  ["a value is new", { ...base, kind: z.enum(["text", "html", "amp"]).optional() }],
  ["a limit is wider", { ...base, to: z.string().max(200), copies: z.number().min(0).optional() }],
  ["a limit is gone", { ...base, to: z.string(), tags: z.array(z.string()).optional() }],
  ["a value may be null", { ...base, subject: z.string().nullable().optional() }],
  [
    "an alternative is added",
    { ...base, place: z.union([...base.place.unwrap().options, z.boolean()]).optional() },
  ],
])("nothing breaks when %s", (_, fields) => {
  expect(_pointers(fields)).toEqual([]);
});

test("removing a job type is a breaking change, adding one is not", () => {
  const document = _createDocument(base);
  expect(breakingChanges(document, {})).toEqual([
    { pointer: "JobRequest.mail", detail: "the job type was removed" },
  ]);
  expect(breakingChanges({}, document)).toEqual([]);
});

test("shared and recursive schemas are compared", () => {
  const _tree = (node: object) =>
    ({
      components: {
        schemas: {
          "JobRequest.tree": {
            type: "object",
            properties: { data: { $ref: "#/components/schemas/Node" } },
          },
          Node: {
            type: "object",
            properties: {
              children: { type: "array", items: { $ref: "#/components/schemas/Node" } },
            },
            ...node,
          },
        },
      },
    }) as Document;
  expect(breakingChanges(_tree({}), _tree({}))).toEqual([]);
  expect(breakingChanges(_tree({}), _tree({ required: ["children"] }))).toEqual([
    { pointer: "JobRequest.tree/properties/data/required", detail: "children is required now" },
  ]);
});
