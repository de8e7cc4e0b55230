import { jobTypeLimits } from "../../api/job-type-registration.ts";
import type { FieldError } from "../../api/json/json.ts";
import { listKeywords, mapKeywords, schemaKeywords } from "./keywords.ts";
import { toDefinitionName } from "./pointer.ts";
import {
  findEndless,
  findRecursive,
  getDefinitions,
  type JsonSchema,
  listReferences,
} from "./references.ts";

interface Size {
  /** Number of schemas. */
  size: number;
  depth: number;
}

const leaf: Size = { size: 1, depth: 0 };

/**
 * Finds references that cannot be resolved or would never end, and schemas that are too large. A recursive definition
 * counts once per reference from outside.
 */
export function findExcess(root: JsonSchema, base: string): FieldError[] {
  const definitions = getDefinitions(root);
  const all = [...definitions.values()].flatMap(({ schema, pointer }) =>
    listReferences(schema, pointer),
  );
  const missing = all.find(({ to }) => !definitions.has(to));
  if (missing !== undefined) {
    return [{ pointer: base + missing.pointer, detail: `There is no definition ${missing.to}.` }];
  }
  const endless = findEndless(root);
  if (endless !== undefined) {
    const detail =
      "A recursive reference must be within a property or an item of the value that it describes.";
    return [{ pointer: base + endless.pointer, detail }];
  }
  const measure = createMeasure(root);
  // Comparisons resolve recursive definitions, also those without a reference from the root.
  const measured = [...definitions.keys()].map(measure);
  const size = Math.max(...measured.map((one) => one.size));
  const depth = Math.max(...measured.map((one) => one.depth));
  const resolved = "with every $ref resolved.";
  if (depth > jobTypeLimits.schemaDepth) {
    const detail = `At most ${jobTypeLimits.schemaDepth} nested schemas, ${resolved}`;
    return [{ pointer: base, detail }];
  }
  if (size <= jobTypeLimits.subschemas) return [];
  return [{ pointer: base, detail: `At most ${jobTypeLimits.subschemas} schemas, ${resolved}` }];
}

function createMeasure(root: JsonSchema) {
  const definitions = getDefinitions(root);
  const recursive = findRecursive(root);
  const sizes = new Map<string, Size>();

  function measure(schema: unknown, isWithinRecursive: boolean): Size {
    if (typeof schema !== "object" || schema === null) return leaf;
    const parts = Object.entries(schema).flatMap(([keyword, value]) => {
      if (keyword === "$ref") return measureTarget(toDefinitionName(value), isWithinRecursive);
      if (schemaKeywords.has(keyword)) return measure(value, isWithinRecursive);
      if (!listKeywords.has(keyword) && !mapKeywords.has(keyword)) return [];
      return Object.values(value as object).map((one) => measure(one, isWithinRecursive));
    });
    return {
      size: parts.reduce((sum, part) => sum + part.size, 1),
      depth: parts.reduce((most, part) => Math.max(most, part.depth + 1), 0),
    };
  }

  function measureTarget(name: string, isWithinRecursive: boolean): Size {
    const isRecursive = recursive.has(name);
    if (isRecursive && isWithinRecursive) return leaf;
    const known = sizes.get(`${isWithinRecursive} ${name}`);
    if (known !== undefined) return known;
    const { schema } = definitions.get(name) ?? {};
    const measured = measure(schema, isWithinRecursive || isRecursive);
    sizes.set(`${isWithinRecursive} ${name}`, measured);
    return measured;
  }

  return (name: string) => measureTarget(name, false);
}
