import { escapePointer } from "../../api/json/json.ts";
import { inPlaceKeywords, listKeywords, mapKeywords, schemaKeywords } from "./keywords.ts";
import { toDefinitionName } from "./pointer.ts";

/** A JSON Schema that `checkSchema` accepts. */
export type JsonSchema = Record<string, unknown>;

/** Name of the schema as a whole among its definitions, as in the reference `#`. */
export const rootName = "";

export interface Reference {
  /** Name of the definition that it refers to. */
  to: string;
  /** JSON Pointer of the keyword `$ref`. */
  pointer: string;
  /** Whether the definition describes the same value as the schema with the reference, not a part of the value. */
  isInPlace: boolean;
}

interface Definition {
  schema: unknown;
  pointer: string;
}

/** Returns the definitions of a schema by name, including the schema itself. */
export function getDefinitions(root: JsonSchema): Map<string, Definition> {
  const { $defs = {}, ...own } = root;
  const named = Object.entries($defs as JsonSchema).map(([name, schema]): [string, Definition] => [
    name,
    { schema, pointer: `/$defs/${escapePointer(name)}` },
  ]);
  return new Map([[rootName, { schema: own, pointer: "" }], ...named]);
}

/** Lists the references within a schema, without its `$defs`. */
export function listReferences(schema: unknown, pointer: string, isInPlace = true): Reference[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const at = `${pointer}/${escapePointer(keyword)}`;
    if (keyword === "$ref") {
      return [{ to: toDefinitionName(String(value)), pointer: at, isInPlace }];
    }
    const isBelow = isInPlace && inPlaceKeywords.has(keyword);
    if (schemaKeywords.has(keyword)) return listReferences(value, at, isBelow);
    if (!listKeywords.has(keyword) && !mapKeywords.has(keyword)) return [];
    return Object.entries(value as object).flatMap(([name, one]) =>
      listReferences(one, `${at}/${escapePointer(name)}`, isBelow),
    );
  });
}

/** Finds the definitions that refer to themselves, directly or through others. */
export function findRecursive(root: JsonSchema): ReadonlySet<string> {
  const references = listAll(root);
  return new Set([...references.keys()].filter((name) => reaches(references, name, name)));
}

/**
 * Finds a reference through which a definition refers to itself for the same value, so that validation would not end.
 */
export function findEndless(root: JsonSchema): Reference | undefined {
  const inPlace = new Map(
    [...listAll(root)].map(([name, all]) => [name, all.filter((one) => one.isInPlace)]),
  );
  for (const [name, references] of inPlace) {
    const endless = references.find(({ to }) => to === name || reaches(inPlace, to, name));
    if (endless !== undefined) return endless;
  }
  return undefined;
}

type References = ReadonlyMap<string, readonly Reference[]>;

function listAll(root: JsonSchema): References {
  return new Map(
    [...getDefinitions(root)].map(([name, { schema, pointer }]) => [
      name,
      listReferences(schema, pointer),
    ]),
  );
}

function reaches(references: References, from: string, target: string): boolean {
  const seen = new Set<string>();
  const pending = [from];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    for (const { to } of references.get(name) ?? []) {
      if (to === target) return true;
      if (!seen.has(to)) pending.push(to);
      seen.add(to);
    }
  }
  return false;
}
