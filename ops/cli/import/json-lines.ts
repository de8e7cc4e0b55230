import { UsageError } from "../command.ts";

const [lineFeed, carriageReturn, space, quote, comma] = [0x0a, 0x0d, 0x20, 0x22, 0x2c];
const [openBracket, backslash, closeBracket] = [0x5b, 0x5c, 0x5d];
const [openBrace, closeBrace] = [0x7b, 0x7d];
const byteOrderMark = [0xef, 0xbb, 0xbf];

/**
 * Yields the elements of a JSON array as lines of NDJSON, without parsing them: the service refuses an element that is
 * no valid object. Throws UsageError if the text is no array or ends early.
 */
export async function* toJsonLines(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const converter = createConverter();
  for await (const chunk of source) {
    const lines = converter.convert(chunk);
    if (lines.length > 0) yield lines;
  }
  converter.end();
}

function createConverter() {
  let state: "before" | "within" | "after" = "before";
  let marks = 0;
  /** Nesting depth of brackets and braces within the array. */
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  /** Whether the current element has a character, and whether a comma precedes it. */
  let hasElement = false;
  let followsComma = false;

  /** Reads a byte before or after the array. */
  function skip(byte: number): void {
    if (byte <= space) return;
    if (state === "after") fail("text follows the array");
    if (byte === byteOrderMark[marks]) marks += 1;
    else if (byte === openBracket) state = "within";
    else fail("it does not begin with [");
  }

  /** Ends an element. Returns whether there is one. */
  function endElement(byte: number): boolean {
    const isEmptyArray = byte === closeBracket && !followsComma;
    if (!hasElement && !isEmptyArray) fail("an element is missing");
    const hadElement = hasElement;
    hasElement = false;
    followsComma = byte === comma;
    if (byte === closeBracket) state = "after";
    return hadElement;
  }

  return {
    convert(chunk: Uint8Array): Uint8Array {
      const lines = new Uint8Array(chunk.length);
      let length = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at] as number;
        if (isInString) {
          if (isEscaped) isEscaped = false;
          else if (byte === backslash) isEscaped = true;
          else if (byte === quote) isInString = false;
          if (byte === lineFeed || byte === carriageReturn) fail("a string contains a line break");
          lines[length++] = byte;
        } else if (state !== "within") {
          skip(byte);
        } else if (byte <= space) {
          if (hasElement) lines[length++] = space;
        } else if (depth === 0 && (byte === comma || byte === closeBracket)) {
          if (endElement(byte)) lines[length++] = lineFeed;
        } else {
          hasElement = true;
          if (byte === quote) isInString = true;
          else if (byte === openBracket || byte === openBrace) depth += 1;
          else if (byte === closeBracket || byte === closeBrace) depth -= 1;
          if (depth < 0) fail("a brace is closed that was not opened");
          lines[length++] = byte;
        }
      }
      return lines.subarray(0, length);
    },
    end(): void {
      if (state !== "after") fail("it ends early");
    },
  };
}

function fail(detail: string): never {
  throw new UsageError(`the file is no valid JSON array: ${detail}`);
}
