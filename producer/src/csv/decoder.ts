/** `isBroken`: `text` ends before bytes that are not of the charset, or in the middle of a character. */
interface DecodedText {
  text: string;
  isBroken: boolean;
}

/** Decodes a stream piece by piece, without its byte order mark; called without bytes at its end. Null: unknown charset. */
export function createCsvDecoder(charset = "utf-8"): ((bytes?: Uint8Array) => DecodedText) | null {
  const strict = createTextDecoder(charset, { fatal: true });
  // The strict one tells that there is a fault, this one where.
  const lenient = createTextDecoder(charset, { fatal: false });
  if (strict === null || lenient === null) return null;
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

function createTextDecoder(label: string, options: { fatal: boolean }): TextDecoder | null {
  try {
    return new TextDecoder(label as Bun.Encoding, options);
  } catch {
    return null;
  }
}
