/** How deep arrays and objects may nest: every later walk over the value may recurse. */
const maxDepth = 100;

/** A place in a JSON document (RFC 6901) and what is wrong there. */
export interface FieldError {
  pointer: string;
  detail: string;
}

export type ParsedJson =
  | { status: "ok"; value: unknown }
  | { status: "malformed"; detail: string }
  | { status: "unstorable"; error: FieldError };

/**
 * JSON text to a value that Postgres and Redis keep exactly. `unstorable`: valid JSON with NUL characters, lone
 * surrogates, numbers that a double cannot hold, `__proto__` keys, or more than 100 levels.
 */
export function parseJson(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return error instanceof RangeError
      ? { status: "unstorable", error: { pointer: "", detail: tooDeep } }
      : { status: "malformed", detail: "The text is not valid JSON." };
  }
  const error = findUnstorable(value, 0);
  return error === undefined ? { status: "ok", value } : { status: "unstorable", error };
}

export function escapePointer(segment: string): string {
  return segment.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Postgres refuses NUL and lone surrogates in text and jsonb. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The nearest text that Postgres stores. */
export function toStorableText(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

const tooDeep = `Nested deeper than ${maxDepth} levels.`;

export function findUnstorable(value: unknown, depth: number): FieldError | undefined {
  if (typeof value === "string") {
    return isStorableText(value) ? undefined : at("Text with a NUL character or a lone surrogate.");
  }
  if (typeof value === "number") return isExact(value) ? undefined : at("A number beyond 2^53.");
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === maxDepth) return at(tooDeep);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const error = findUnstorable(value[index], depth + 1);
      if (error !== undefined) return below(String(index), error);
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return below(key, at("A key that is not allowed."));
    if (!isStorableText(key)) return at("A key with a NUL character or a lone surrogate.");
    const error = findUnstorable((value as Record<string, unknown>)[key], depth + 1);
    if (error !== undefined) return below(key, error);
  }
  return undefined;
}

function isExact(value: number) {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

function at(detail: string): FieldError {
  return { pointer: "", detail };
}

function below(segment: string, error: FieldError): FieldError {
  return { pointer: `/${escapePointer(segment)}${error.pointer}`, detail: error.detail };
}
