import { beginScan, type JsonScan, scanJson } from "@toril/contract/api/json/json-scan";
import { ProblemError } from "./problem.ts";

/** A part of JSON text: its byte range, with the scan of that range. */
export interface JsonPart {
  start: number;
  end: number;
  scan: JsonScan;
}

/** Deeper text ends the request; a less deep part is rejected alone. */
export const absurdDepth = 10_000;
export const tooDeep = `Nested deeper than ${absurdDepth} levels.`;

/** Limit per turn of the event loop. */
const scanBytes = 1_000_000;

const [comma, openBracket] = [0x2c, 0x5b];
const [closeBracket, closeBrace] = [0x5d, 0x7d];

/**
 * Locates the elements of an array, or the members of an object, without parsing them. The text must end after it.
 * Throws a problem for other text. Yields between steps of at most `scanBytes`.
 * @param open offset of the opening bracket
 */
export function* findParts(
  bytes: Uint8Array,
  open: number,
  maxParts: number,
  toTooMany: () => ProblemError,
): Generator<void, JsonPart[]> {
  const close = bytes[open] === openBracket ? closeBracket : closeBrace;
  const parts: JsonPart[] = [];
  let start = open + 1;
  let isClosed = false;
  let stepEnd = start + scanBytes;
  while (!isClosed) {
    const scan = beginScan(start);
    while (!scanJson(scan, bytes, Math.min(stepEnd, bytes.length))) {
      if (scan.at >= bytes.length) throw notJson();
      // Reading 32 MB to the end would take a tenth of a second.
      if (scan.open > absurdDepth) throw new ProblemError("invalid-json", tooDeep);
      yield;
      stepEnd = scan.at + scanBytes;
    }
    isClosed = bytes[scan.at] !== comma;
    if (isClosed && bytes[scan.at] !== close) throw notJson();
    const isEmpty = skipSpace(bytes, start) === scan.at;
    if (!isEmpty || !isClosed || parts.length > 0) {
      if (parts.length === maxParts) throw toTooMany();
      parts.push({ start, end: scan.at, scan });
    }
    start = scan.at + 1;
  }
  if (skipSpace(bytes, start) < bytes.length) throw notJson();
  return parts;
}

export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) {
    at += 1;
  }
  return at;
}

export function notJson(): ProblemError {
  return new ProblemError("invalid-json", "The text is not valid JSON.");
}
