import { type FindSecretFields, secretShown } from "../../api/job-data/secret-fields.ts";

/** Removes secrets from foreign text: messages, stacks, results, log lines. */
export interface Scrub {
  text(text: string): string;
  /** Returns a scrubbed copy, as JSON would represent it; of errors, name, message, code and stack. */
  value(value: unknown): unknown;
}

/** Shorter secrets occur in any text, and replacing them would reveal them. */
const leastLength = 4;
/** A header value consists of words, each of which may leak alone; short words name the scheme. */
const leastWordLength = 12;
const maxDepth = 100;

/**
 * Creates a scrubber for the secrets in `data`.
 * @param show returns the replacement of a secret
 * @returns undefined if there are no secrets
 */
export function createScrub(
  data: unknown,
  findSecrets: FindSecretFields,
  show: (text: string) => string = () => secretShown,
): Scrub | undefined {
  const texts = new Set<string>();
  for (const { holder, name } of findSecrets(data)) addTexts(holder[name], texts);
  if (texts.size === 0) return undefined;
  const spellings = [...new Set([...texts].flatMap(getSpellings))].toSorted(
    (a, b) => b.length - a.length,
  );

  function scrubText(text: string) {
    return spellings.reduce(
      (rest, spelling) => rest.replaceAll(spelling, () => show(spelling)),
      text,
    );
  }

  function scrubValue(value: unknown, depth: number): unknown {
    if (typeof value === "string") return scrubText(value);
    if (typeof value === "number") return texts.has(String(value)) ? secretShown : value;
    if (typeof value !== "object" || value === null) return value;
    if (depth === maxDepth) return "[too deep]";
    if (Array.isArray(value)) return value.map((item) => scrubValue(item, depth + 1));
    const plain = value instanceof Error ? getFields(value) : value;
    if ("toJSON" in plain && typeof plain.toJSON === "function") {
      return scrubValue(plain.toJSON(), depth + 1);
    }
    return Object.fromEntries(
      Object.entries(plain).map(([name, one]) => [scrubText(name), scrubValue(one, depth + 1)]),
    );
  }

  return { text: scrubText, value: (value) => scrubValue(value, 0) };
}

function addTexts(value: unknown, texts: Set<string>) {
  if (typeof value === "object" && value !== null) {
    for (const one of Object.values(value)) addTexts(one, texts);
  } else if (typeof value === "string" || typeof value === "number") {
    const text = String(value);
    if (text.length >= leastLength) texts.add(text);
  }
}

function getSpellings(text: string): string[] {
  const words = text.split(/\s+/).filter((word) => word.length >= leastWordLength);
  return [text, ...words]
    .flatMap((one) => [
      one,
      JSON.stringify(one).slice(1, -1),
      encodeURIComponent(one.toWellFormed()),
      toBase64(one),
    ])
    .filter((spelling) => spelling.length >= leastLength);
}

/** Without the last bytes, whose encoding depends on the following text. */
function toBase64(text: string) {
  const bytes = new TextEncoder().encode(text);
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 3));
  return btoa(Array.from(whole, (byte) => String.fromCharCode(byte)).join(""));
}

function getFields(error: Error) {
  const { name, message, stack } = error;
  return "code" in error ? { name, message, code: error.code, stack } : { name, message, stack };
}
