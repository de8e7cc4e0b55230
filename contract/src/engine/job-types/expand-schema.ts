import { annotations, listKeywords, mapKeywords, schemaKeywords } from "./keywords.ts";
import { toDefinitionName } from "./pointer.ts";
import { findRecursive, getDefinitions, type JsonSchema, rootName } from "./references.ts";

/**
 * Replaces every `$ref` by its target, for a document in which `#/$defs` would point elsewhere. A recursive definition
 * is replaced once; within it, recursive references accept anything.
 */
export function expandSchema(root: JsonSchema): JsonSchema {
  const expand = createExpand(root, (name) => ({
    description: name === rootName ? "Again the whole schema" : `Again the schema of ${name}`,
  }));
  return expand(root, findRecursive(root).has(rootName)) as JsonSchema;
}

/** A schema whose references lead to recursive definitions only, which are in `definitions`. */
export interface ResolvedSchema {
  schema: JsonSchema;
  /** By the last segment of their references. */
  definitions: Record<string, JsonSchema>;
}

/** Replaces every `$ref` to a definition that is not recursive, for comparisons. */
export function resolveSchema(root: JsonSchema): ResolvedSchema {
  const expand = createExpand(root, (name) => ({ $ref: `#/$defs/${encodeURIComponent(name)}` }));
  const all = getDefinitions(root);
  const definitions = [...findRecursive(root)].map((name) => {
    return [encodeURIComponent(name), expand(all.get(name)?.schema, true) as JsonSchema] as const;
  });
  return { schema: expand(root, true) as JsonSchema, definitions: Object.fromEntries(definitions) };
}

/** @param toRepeated returns what replaces a reference to a recursive definition within such a definition */
function createExpand(root: JsonSchema, toRepeated: (name: string) => JsonSchema) {
  const definitions = getDefinitions(root);
  const recursive = findRecursive(root);
  /** Shared by all references, so that the number of references to large definitions takes no memory. */
  const targets = new Map<string, unknown>();

  function expand(schema: unknown, isWithinRecursive: boolean): unknown {
    if (typeof schema !== "object" || schema === null) return schema;
    const { $ref, $defs: _, $schema: __, ...rest } = schema as JsonSchema;
    const expanded: JsonSchema = Object.fromEntries(
      Object.entries(rest).map(([keyword, value]) => [
        keyword,
        expandKeyword(keyword, value, isWithinRecursive),
      ]),
    );
    if (typeof $ref !== "string") return expanded;
    const target = expandTarget(toDefinitionName($ref), isWithinRecursive);
    const isAnnotated = Object.keys(expanded).every((keyword) => annotations.has(keyword));
    if (isAnnotated && typeof target === "object") return { ...target, ...expanded };
    const { allOf = [] } = expanded;
    return { ...expanded, allOf: [...(allOf as unknown[]), target] };
  }

  function expandTarget(name: string, isWithinRecursive: boolean): unknown {
    const isRecursive = recursive.has(name);
    if (isRecursive && isWithinRecursive) return toRepeated(name);
    const isWithin = isWithinRecursive || isRecursive;
    const known = targets.get(`${isWithin} ${name}`);
    if (known !== undefined) return known;
    const target = expand(definitions.get(name)?.schema, isWithin);
    targets.set(`${isWithin} ${name}`, target);
    return target;
  }

  function expandKeyword(keyword: string, value: unknown, isWithinRecursive: boolean): unknown {
    if (schemaKeywords.has(keyword)) return expand(value, isWithinRecursive);
    if (listKeywords.has(keyword)) {
      return (value as unknown[]).map((one) => expand(one, isWithinRecursive));
    }
    if (!mapKeywords.has(keyword)) return value;
    return Object.fromEntries(
      Object.entries(value as JsonSchema).map(([name, schema]) => [
        name,
        expand(schema, isWithinRecursive),
      ]),
    );
  }

  return expand;
}
