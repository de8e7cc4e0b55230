/** The progress and counts of a scan over JSON bytes. Strings are skipped; nothing is parsed or allocated. */
export interface JsonScan {
  /** Offset of the next byte. */
  at: number;
  /** Number of open arrays and objects at `at`. */
  open: number;
  isInString: boolean;
  /** Maximum nesting depth. */
  depth: number;
  /** Members of all objects; exact for valid JSON. */
  members: number;
  /** Values of any type; an empty array or object counts twice. */
  values: number;
}

export function beginScan(at: number): JsonScan {
  return { at, open: 0, isInString: false, depth: 0, members: 0, values: 1 };
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
/** `[` and `{` differ in this bit alone, and so do `]` and `}`. */
const caseBit = 0x20;
const opening = 0x7b;
const closing = 0x7d;

/**
 * Advances the scan to `end`, or to the first comma or closing bracket outside of all arrays and objects.
 * @returns whether the scan stopped at such a byte
 */
export function scanJson(scan: JsonScan, bytes: Uint8Array, end: number): boolean {
  let { at, open, isInString, depth, members, values } = scan;
  let isAtSeparator = false;
  while (at < end) {
    const byte = bytes[at] as number;
    if (isInString) {
      if (byte === quote) isInString = false;
      else if (byte === backslash) at += 1;
    } else if (byte === quote) {
      isInString = true;
    } else if (byte === comma) {
      isAtSeparator = open === 0;
      if (isAtSeparator) break;
      values += 1;
    } else if (byte === colon) {
      members += 1;
    } else if ((byte | caseBit) === opening) {
      open += 1;
      values += 1;
      if (open > depth) depth = open;
    } else if ((byte | caseBit) === closing) {
      isAtSeparator = open === 0;
      if (isAtSeparator) break;
      open -= 1;
    }
    at += 1;
  }
  scan.at = at;
  scan.open = open;
  scan.isInString = isInString;
  scan.depth = depth;
  scan.members = members;
  scan.values = values;
  return isAtSeparator;
}
