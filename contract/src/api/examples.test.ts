import { expect, test } from "bun:test";
import { Glob } from "bun";
import { z } from "zod";

const schemas: [string, z.ZodType][] = [];
for (const file of new Glob("**/!(*.test).ts").scanSync(import.meta.dir)) {
  const module = (await import(`./${file}`)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(module)) {
    if (!(value instanceof z.ZodType)) continue;
    if (value.meta()?.["example"] !== undefined) schemas.push([`${file} ${name}`, value]);
  }
}

test.each(schemas)("the example matches its schema: %s", (_, schema) => {
  expect(schema.safeParse(schema.meta()?.["example"]).error).toBeUndefined();
});

test("responses have examples", () => {
  expect(schemas.length).toBeGreaterThan(30);
});
