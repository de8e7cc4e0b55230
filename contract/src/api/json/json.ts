import { beginScan, type JsonScan, scanJson } from "./json-scan.ts";

/** Limits that are checked on JSON bytes before parsing. */
export interface JsonLimits {
  /** Maximum nesting depth, because later walks over the value recurse. */
  depth: number;
  /** Maximum number of object members: a member name costs a hundred times as much as a number. */
  members: number;
  values: number;
}

/** The limits of one job, or of any other request body. */
export const jsonLimits: JsonLimits = { depth: 100, members: 10_000, values: 100_000 };

/** An error at a JSON Pointer (RFC 6901). */
export interface FieldError {
  pointer: string;
  detail: string;
}

export type ParsedJson =
  | { status: "ok"; value: unknown }
  | { status: "malformed"; detail: string }
  | { status: "unstorable"; error: FieldError };

/**
 * Parses UTF-8 JSON to a value that Postgres and Redis store exactly. Returns `unstorable` for JSON beyond `limits`, or with NUL
 * characters, lone surrogates, integers beyond 2^53, numbers beyond the range of a double, `__proto__` keys, or duplicate
 * member names in an object. Other numbers are rounded to the nearest double; -0 is stored as 0.
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits = jsonLimits): ParsedJson {
  const scan = beginScan(findStart(bytes));
  const start = scan.at;
  if (scanJson(scan, bytes, bytes.length)) return malformed;
  // A view of the whole array would cost an eighth of what the handler of a POST takes.
  return parseScanned(start === 0 ? bytes : bytes.subarray(start), scan, limits);
}

/** Parses JSON as `parseJson` does, after a completed scan. */
export function parseScanned(
  bytes: Uint8Array,
  scan: JsonScan,
  limits: JsonLimits = jsonLimits,
): ParsedJson {
  if (scan.open > 0 || scan.isInString) return malformed;
  const excess = findExcess(scan, limits);
  if (excess !== undefined) return { status: "unstorable", error: at(excess) };
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { status: "malformed", detail: "The text is not valid UTF-8." };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed;
  }
  const tally = { members: 0 };
  const error = walk(value, 0, tally);
  if (error !== undefined) return { status: "unstorable", error };
  // `JSON.parse` keeps the last of two members with the same name.
  return tally.members === scan.members
    ? { status: "ok", value }
    : { status: "unstorable", error: findDuplicate(text) };
}

/** Parses JSON that another program may have written: null if the text is missing or malformed. */
export function parseJsonOrNull(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

/** Returns an error message for the first exceeded limit, or undefined. */
export function findExcess(scan: JsonScan, limits: JsonLimits): string | undefined {
  if (scan.depth > limits.depth) return `Nested deeper than ${limits.depth} levels.`;
  if (scan.members > limits.members) return `More than ${limits.members} members of objects.`;
  if (scan.values > limits.values) return `More than ${limits.values} values.`;
  return undefined;
}

/** Returns the offset where JSON text begins, after an optional byte order mark. */
export function findStart(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

export function escapePointer(segment: string): string {
  return segment.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Returns whether Postgres can store the text: it rejects NUL and lone surrogates in text and jsonb. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** Replaces the characters that Postgres cannot store by U+FFFD. */
export function toStorableText(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

export function findUnstorable(value: unknown, depth: number): FieldError | undefined {
  return walk(value, depth, { members: 0 });
}

// U+FEFF within the text is not a byte order mark.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const malformed: ParsedJson = { status: "malformed", detail: "The text is not valid JSON." };

function walk(value: unknown, depth: number, tally: { members: number }): FieldError | undefined {
  if (typeof value === "string") {
    return isStorableText(value) ? undefined : at("Text with a NUL character or a lone surrogate.");
  }
  if (typeof value === "number") return isExact(value) ? undefined : at("A number beyond 2^53.");
  if (typeof value !== "object" || value === null) return undefined;
  if (depth === jsonLimits.depth) return at(`Nested deeper than ${jsonLimits.depth} levels.`);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const error = walk(value[index], depth + 1, tally);
      if (error !== undefined) return below(String(index), error);
    }
    return undefined;
  }
  const keys = Object.keys(value);
  tally.members += keys.length;
  for (const key of keys) {
    if (key === "__proto__") return below(key, at("A key that is not allowed."));
    if (!isStorableText(key)) return at("A key with a NUL character or a lone surrogate.");
    const error = walk((value as Record<string, unknown>)[key], depth + 1, tally);
    if (error !== undefined) return below(key, error);
  }
  return undefined;
}

function isExact(value: number) {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

/** Locates the first duplicate member name in valid JSON text that has one. */
function findDuplicate(text: string): FieldError {
  const path: { names?: Set<string>; name: string; index: number }[] = [];
  let before = "";
  for (const token of scanStructure(text)) {
    const inner = path.at(-1);
    if (token === "{") path.push({ names: new Set(), name: "", index: 0 });
    else if (token === "[") path.push({ name: "", index: 0 });
    else if (token === "}" || token === "]") path.pop();
    else if (token === "," && inner !== undefined) inner.index += 1;
    else if (token === ":" && inner?.names !== undefined) {
      inner.name = JSON.parse(before) as string;
      if (inner.names.has(inner.name)) {
        const segments = path.map(({ names, name, index }) => (names ? name : String(index)));
        const pointer = segments.map((segment) => `/${escapePointer(segment)}`).join("");
        return { pointer, detail: "A second member of this name." };
      }
      inner.names.add(inner.name);
    }
    before = token;
  }
  return at("Two members of one name.");
}

/** Yields the strings and the punctuation of valid JSON text. */
function* scanStructure(text: string): Generator<string> {
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === '"') {
      const start = index;
      do index += text[index] === "\\" ? 2 : 1;
      while (text[index] !== '"');
      yield text.slice(start, index + 1);
    } else if ("{}[],:".includes(char)) {
      yield char;
    }
  }
}

function at(detail: string): FieldError {
  return { pointer: "", detail };
}

function below(segment: string, error: FieldError): FieldError {
  return { pointer: `/${escapePointer(segment)}${error.pointer}`, detail: error.detail };
}
