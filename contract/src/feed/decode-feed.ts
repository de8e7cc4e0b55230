/**
 * The text of a feed. The first of these that fits the bytes, as feed readers do: byte order mark, charset of the
 * content type, encoding of the XML declaration, UTF-8; and windows-1252, which fits everything.
 */
export function decodeFeed(bytes: Uint8Array, contentType: string | undefined): string {
  const wide = wideEncoding(bytes);
  const labels = [
    byteOrderMark(bytes),
    charsetOf(contentType),
    wide ?? declaredEncoding(bytes),
    "utf-8",
  ];
  for (const label of labels) {
    if (label === undefined) continue;
    // "UTF-16" alone does not tell the byte order, and what reads as ASCII is not UTF-16, whatever it says.
    const isWide = /^utf-?16/i.test(label);
    const text = tryDecode(bytes, isWide ? wide : label);
    // Latin-1 and ASCII are what servers say by default; they fit everything, UTF-8 hardly anything else.
    if (text !== undefined) return isLatin(label) ? (tryDecode(bytes, "utf-8") ?? text) : text;
  }
  return new TextDecoder("windows-1252").decode(bytes);
}

function isLatin(label: string): boolean {
  return /^(?:us-?ascii|ascii|iso-?8859-?1|latin-?1|windows-1252)$/i.test(label);
}

function tryDecode(bytes: Uint8Array, label: string | undefined): string | undefined {
  if (label === undefined) return undefined;
  try {
    // Types that know every label are stricter than the constructor, which throws when it does not know one.
    const known = label as ConstructorParameters<typeof TextDecoder>[0];
    return new TextDecoder(known, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function byteOrderMark([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  return undefined;
}

/** XML and JSON begin with an ASCII character: with a zero byte beside it, each character has two bytes. */
function wideEncoding(bytes: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  const mark = byteOrderMark(bytes);
  if (mark === "utf-16le" || mark === "utf-16be") return mark;
  const [first, second] = bytes;
  if (first === 0 && second !== 0) return "utf-16be";
  if (first !== 0 && second === 0) return "utf-16le";
  return undefined;
}

function charsetOf(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*["']?([^\s"';]+)/i.exec(contentType ?? "")?.[1];
}

function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder("windows-1252").decode(bytes.subarray(0, 1024));
  return /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)["']/i.exec(head)?.[1];
}
