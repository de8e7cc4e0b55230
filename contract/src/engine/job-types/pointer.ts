/** Splits a JSON Pointer (RFC 6901) into member names. */
export function parsePointer(pointer: string): string[] {
  return pointer.split("/").slice(1).map(unescapeSegment);
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

const definitions = /^#\/\$defs\/([^/]+)$/;

/** Whether a `$ref` is `#` or of the form `#/$defs/<name>`. */
export function isDefinitionReference(reference: string): boolean {
  return reference === "#" || definitions.test(reference);
}

/** Returns the name of a reference to `#/$defs/<name>`; an empty text for `#`. */
export function toDefinitionName(reference: string): string {
  const encoded = definitions.exec(reference)?.[1] ?? "";
  let name = encoded;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    // Not percent-encoded.
  }
  return unescapeSegment(name);
}

/** Returns the value at a path; undefined if there is none. */
export function readPointer(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const name of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) {
      return undefined;
    }
    current = (current as Record<string, unknown>)[name];
  }
  return current;
}
