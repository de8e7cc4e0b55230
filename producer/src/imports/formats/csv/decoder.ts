/** `isBroken`: `text` ends before bytes that are invalid in the charset, or in the middle of a character. */
interface DecodedText {
  text: string;
  isBroken: boolean;
}

export interface CsvDecoder {
  /** Decodes the next bytes, without a byte order mark. Call it without bytes at the end. */
  decode(bytes?: Uint8Array): DecodedText;
  /** The charset in use, known after the first bytes. */
  readonly charset: string;
}

const maxMarkBytes = 3;

/**
 * Creates a decoder. A byte order mark overrides the label, as in the WHATWG Encoding Standard; the default is UTF-8.
 * Returns null for an unknown label.
 * @param isContinuation whether the bytes are not the beginning of a file, so that they have no byte order mark
 */
export function createCsvDecoder(label = "utf-8", isContinuation = false): CsvDecoder | null {
  if (createTextDecoder(label, { fatal: true }) === null) return null;
  let charset = label;
  let head = new Uint8Array();
  let decodeAll = isContinuation ? createDecode(label, true) : undefined;
  return {
    decode(bytes) {
      if (decodeAll !== undefined) return decodeAll(bytes);
      if (bytes !== undefined) {
        head = Buffer.concat([head, bytes]);
        if (head.length < maxMarkBytes) return { text: "", isBroken: false };
      }
      charset = findMarkedCharset(head) ?? resolveByteOrder(label, head);
      decodeAll = createDecode(charset);
      const decoded = decodeAll(head);
      if (bytes !== undefined || decoded.isBroken) return decoded;
      const end = decodeAll();
      return { text: decoded.text + end.text, isBroken: end.isBroken };
    },
    get charset() {
      return charset;
    },
  };
}

function createDecode(charset: string, ignoreBOM = false): (bytes?: Uint8Array) => DecodedText {
  const strict = createTextDecoder(charset, { fatal: true, ignoreBOM });
  // The strict decoder detects a fault, the lenient one locates it.
  const lenient = createTextDecoder(charset, { fatal: false, ignoreBOM });
  if (strict === null || lenient === null) throw new Error(`unknown charset ${charset}`);
  return (bytes) => {
    const stream = bytes !== undefined;
    const text = lenient.decode(bytes, { stream });
    try {
      strict.decode(bytes, { stream });
      return { text, isBroken: false };
    } catch {
      return { text: text.split("\uFFFD", 1).join(), isBroken: true };
    }
  };
}

function findMarkedCharset([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  return undefined;
}

/** "UTF-16" does not specify the byte order; a zero byte before the first character does. */
function resolveByteOrder(label: string, [first, second]: Uint8Array): string {
  return /^utf-?16$/i.test(label) && first === 0 && second !== 0 ? "utf-16be" : label;
}

function createTextDecoder(
  label: string,
  options: { fatal: boolean; ignoreBOM?: boolean },
): TextDecoder | null {
  try {
    return new TextDecoder(label as Bun.Encoding, options);
  } catch {
    return null;
  }
}
