import { keyFieldPattern } from "../../api/job-type-registration.ts";
import { parsePointer, readPointer } from "./pointer.ts";

/**
 * Creates the function that derives the key of a job from its data.
 * @param definition a JSON Pointer, or a text with JSON Pointers in braces: `{/source}#{/guid}`
 * @returns a function that returns undefined if the data has no text, number or boolean at a pointer
 */
export function createDeriveKey(definition: string): (data: unknown) => string | undefined {
  const template = definition.startsWith("/") ? `{${definition}}` : definition;
  // The texts between the pointers, and the pointers themselves, in turn.
  const parts = template.split(keyFieldPattern).map((text, index) => ({
    text,
    path: index % 2 === 1 ? parsePointer(text) : undefined,
  }));
  return (data) => {
    let key = "";
    for (const { text, path } of parts) {
      const value = path === undefined ? text : readPointer(data, path);
      if (typeof value === "string") key += value;
      else if (typeof value === "number" || typeof value === "boolean") key += String(value);
      else return undefined;
    }
    return key;
  };
}
