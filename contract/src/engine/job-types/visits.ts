import { jobTypeLimits } from "../../api/job-type-registration.ts";
import { findRecursive, type JsonSchema, rootName } from "./references.ts";

/** The keyword that counts how often recursive definitions are applied: alternatives could multiply with each level. */
export const visitKeyword = "torilVisit";

export class TooManyVisits extends Error {}

let visits = 0;

/** Called before a value is validated. */
export function resetVisits(): void {
  visits = 0;
}

/** Throws `TooManyVisits` beyond the limit of one value. */
export function countVisit(): boolean {
  visits += 1;
  if (visits > jobTypeLimits.recursiveVisits) throw new TooManyVisits();
  return true;
}

/** Adds the keyword to each recursive definition. */
export function withVisits(root: JsonSchema): JsonSchema {
  const recursive = findRecursive(root);
  if (recursive.size === 0) return root;
  const $defs = Object.entries((root["$defs"] ?? {}) as JsonSchema).map(([name, schema]) => {
    const isCounted = recursive.has(name);
    return [name, isCounted ? { ...(schema as JsonSchema), [visitKeyword]: true } : schema];
  });
  return {
    ...root,
    ...(recursive.has(rootName) && { [visitKeyword]: true }),
    $defs: Object.fromEntries($defs),
  };
}
