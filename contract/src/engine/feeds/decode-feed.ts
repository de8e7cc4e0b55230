/**
 * Returns the text of a feed in the first of these charsets that decodes the bytes without an error: byte order mark,
 * charset of the content type, encoding of the XML declaration, UTF-8. If none does, the first in which most characters
 * beyond ASCII are right, with U+FFFD for each broken one; else windows-1252, which decodes everything.
 */
export function decodeFeed(bytes: Uint8Array, contentType: string | undefined): string {
  const wide = byteOrderMark(bytes) ?? wideEncoding(bytes);
  if (wide !== undefined) return new TextDecoder(wide).decode(bytes);
  // A document that begins with ASCII is not UTF-16, whatever its label says.
  const labels = [charsetOf(contentType), declaredEncoding(bytes), "utf-8"]
    .map(toEncoding)
    .filter((label) => label !== undefined && !label.startsWith("utf-16")) as Label[];
  for (const label of labels) {
    const text = tryDecode(bytes, label);
    if (text === undefined) continue;
    if (label !== "windows-1252") return text;
    // Latin-1 and ASCII are what servers say by default; they fit everything, UTF-8 hardly anything else.
    const utf8 = new TextDecoder().decode(bytes);
    return isMostlyRight(utf8) ? utf8 : text;
  }
  for (const label of labels) {
    const text = new TextDecoder(label).decode(bytes);
    if (isMostlyRight(text)) return text;
  }
  return new TextDecoder("windows-1252").decode(bytes);
}

/** Types that know every label are stricter than the constructor. */
type Label = NonNullable<ConstructorParameters<typeof TextDecoder>[0]>;

/** The name of the encoding that a label stands for; undefined for a label that no decoder knows. */
function toEncoding(label: string | undefined): Label | undefined {
  if (label === undefined) return undefined;
  try {
    return new TextDecoder(label as Label).encoding as Label;
  } catch {
    return undefined;
  }
}

function tryDecode(bytes: Uint8Array, label: Label): string | undefined {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes of another charset hardly ever form a character by accident. */
function isMostlyRight(text: string): boolean {
  let right = 0;
  let broken = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0xfffd) broken += 1;
    else if (code > 0x7f) right += 1;
  }
  return right >= broken;
}

function byteOrderMark([first, second, third]: Uint8Array): Label | undefined {
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  return undefined;
}

/** XML and JSON begin with an ASCII character: with a zero byte beside it, each character has two bytes. */
function wideEncoding([first, second]: Uint8Array): Label | undefined {
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
