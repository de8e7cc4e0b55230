import { annotations, listKeywords, mapKeywords, schemaKeywords } from "./keywords.ts";
import { toDefinitionName } from "./pointer.ts";

/** A JSON Schema that `checkSchema` accepts. */
export type JsonSchema = Record<string, unknown>;

/** Replaces every `$ref` by its target, for a document in which `#/$defs` would point elsewhere, and for comparisons. */
export function expandSchema(root: JsonSchema): JsonSchema {
  const definitions = (root["$defs"] ?? {}) as Record<string, unknown>;

  function expand(schema: unknown): unknown {
    if (typeof schema !== "object" || schema === null) return schema;
    const { $ref, $defs: _, $schema: __, ...rest } = schema as JsonSchema;
    const expanded: JsonSchema = Object.fromEntries(
      Object.entries(rest).map(([keyword, value]) => [keyword, expandKeyword(keyword, value)]),
    );
    if (typeof $ref !== "string") return expanded;
    const target = expand(definitions[toDefinitionName($ref)]);
    const isAnnotated = Object.keys(expanded).every((keyword) => annotations.has(keyword));
    if (isAnnotated && typeof target === "object") return { ...target, ...expanded };
    const { allOf = [] } = expanded;
    return { ...expanded, allOf: [...(allOf as unknown[]), target] };
  }

  function expandKeyword(keyword: string, value: unknown): unknown {
    if (schemaKeywords.has(keyword)) return expand(value);
    if (listKeywords.has(keyword)) return (value as unknown[]).map(expand);
    if (!mapKeywords.has(keyword)) return value;
    return Object.fromEntries(
      Object.entries(value as JsonSchema).map(([name, schema]) => [name, expand(schema)]),
    );
  }

  return expand(root) as JsonSchema;
}
