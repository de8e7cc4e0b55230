import { jobTypeLimits } from "../../api/job-type-registration.ts";
import { findRecursive, type JsonSchema, rootName } from "./references.ts";

/** The keyword that counts how often recursive definitions are applied: alternatives could multiply with each level. */
export const visitKeyword = "torilVisit";

export class TooManyVisits extends Error {}

let visits = 0;
/** The values to which each definition was applied. */
let visited = new Map<string, Set<object>>();

/** Called before a value is validated. */
export function resetVisits(): void {
  visits = 0;
  visited = new Map();
}

/**
 * Throws `TooManyVisits` beyond the limit of one value. A definition that is applied to the same value again counts as
 * often as the value has parts, because each part may be examined again.
 */
export function countVisit(definition: string, value: unknown): boolean {
  visits += 1;
  if (typeof value === "string") visits += countParts(value);
  else if (typeof value === "object" && value !== null) {
    const values = visited.get(definition) ?? new Set();
    visited.set(definition, values);
    if (values.has(value)) visits += countParts(value);
    values.add(value);
  }
  if (visits > jobTypeLimits.recursiveVisits) throw new TooManyVisits();
  return true;
}

const charactersPerPart = 1024;

/** Stops counting above the limit of visits. */
function countParts(value: unknown): number {
  let parts = 0;
  let characters = 0;
  const pending = [value];
  while (pending.length > 0 && parts <= jobTypeLimits.recursiveVisits) {
    const one = pending.pop();
    if (typeof one === "string") characters += one.length;
    else if (typeof one === "object" && one !== null) {
      for (const [name, part] of Object.entries(one)) {
        parts += 1;
        characters += name.length;
        pending.push(part);
      }
    }
  }
  return parts + Math.floor(characters / charactersPerPart);
}

/** Adds the keyword to each recursive definition. */
export function withVisits(root: JsonSchema): JsonSchema {
  const recursive = findRecursive(root);
  if (recursive.size === 0) return root;
  const $defs = Object.entries((root["$defs"] ?? {}) as JsonSchema).map(([name, schema]) => {
    const isCounted = recursive.has(name);
    return [name, isCounted ? { ...(schema as JsonSchema), [visitKeyword]: name } : schema];
  });
  return {
    ...root,
    ...(recursive.has(rootName) && { [visitKeyword]: rootName }),
    $defs: Object.fromEntries($defs),
  };
}
