/** `isBroken`: `text` ends before bytes that are not of the charset, or in the middle of a character. */
interface DecodedText {
  text: string;
  isBroken: boolean;
}

export interface CsvDecoder {
  /** Decodes a stream piece by piece, without its byte order mark; called without bytes at its end. */
  decode(bytes?: Uint8Array): DecodedText;
  /** The charset that is used, known when the first bytes are. */
  readonly charset: string;
}

const longestMark = 3;

/**
 * A byte order mark wins over the label, as the WHATWG Encoding Standard has it; without both it is UTF-8. Null: the label
 * is unknown.
 */
export function createCsvDecoder(label = "utf-8"): CsvDecoder | null {
  if (createTextDecoder(label, { fatal: true }) === null) return null;
  let charset = label;
  let head = new Uint8Array();
  let decodeAll: ((bytes?: Uint8Array) => DecodedText) | undefined;
  return {
    decode(bytes) {
      if (decodeAll !== undefined) return decodeAll(bytes);
      if (bytes !== undefined) {
        head = Buffer.concat([head, bytes]);
        if (head.length < longestMark) return { text: "", isBroken: false };
      }
      charset = markedCharset(head) ?? orderedCharset(label, head);
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

function createDecode(charset: string): (bytes?: Uint8Array) => DecodedText {
  const strict = createTextDecoder(charset, { fatal: true });
  // The strict one tells that there is a fault, this one where.
  const lenient = createTextDecoder(charset, { fatal: false });
  if (strict === null || lenient === null) throw new Error(`no charset ${charset}`);
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

function markedCharset([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  return undefined;
}

/** "UTF-16" alone does not tell the byte order; a zero byte before the first character does. */
function orderedCharset(label: string, [first, second]: Uint8Array): string {
  return /^utf-?16$/i.test(label) && first === 0 && second !== 0 ? "utf-16be" : label;
}

function createTextDecoder(label: string, options: { fatal: boolean }): TextDecoder | null {
  try {
    return new TextDecoder(label as Bun.Encoding, options);
  } catch {
    return null;
  }
}
