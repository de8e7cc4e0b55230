import { expect, test } from "bun:test";
import { Glob } from "bun";
import { z } from "zod";
import { shippedRegistry } from "../../test/_job-types.ts";

const schemas: [string, z.ZodType][] = [];
for (const file of new Glob("**/!(*.test).ts").scanSync(import.meta.dir)) {
  const module = (await import(`./${file}`)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(module)) {
    if (!(value instanceof z.ZodType)) continue;
    if (value.meta()?.["example"] !== undefined) schemas.push([`${file} ${name}`, value]);
  }
}

for (const [name, schema] of Object.entries(shippedRegistry.schemas)) {
  if (schema.meta()?.["example"] !== undefined) schemas.push([`registry.ts ${name}`, schema]);
}

test.each(schemas)("the example matches its schema: %s", (_, schema) => {
  expect(schema.safeParse(schema.meta()?.["example"]).error).toBeUndefined();
});

test("responses have examples", () => {
  expect(schemas.length).toBeGreaterThan(30);
});
