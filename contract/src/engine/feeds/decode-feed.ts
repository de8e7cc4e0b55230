/**
 * Decodes a feed with the first of these charsets that decodes without an error: byte order mark, charset of the
 * content type, encoding of the XML declaration, UTF-8. If all fail, uses the first in which most non-ASCII characters
 * are valid, with U+FFFD for each invalid one; else windows-1252, which decodes any bytes.
 */
export function decodeFeed(bytes: Uint8Array, contentType: string | undefined): string {
  const wide = byteOrderMark(bytes) ?? wideEncoding(bytes);
  if (wide !== undefined) return new TextDecoder(wide).decode(bytes);
  // A document that begins with ASCII is not UTF-16, even if its label says so.
  const labels = [getCharset(contentType), declaredEncoding(bytes), "utf-8"]
    .map(toEncoding)
    .filter((label) => label !== undefined && !label.startsWith("utf-16")) as Label[];
  for (const label of labels) {
    const text = tryDecode(bytes, label);
    if (text === undefined) continue;
    if (label !== "windows-1252") return text;
    // Servers send Latin-1 and ASCII by default. Any bytes are valid in both; only real UTF-8 is valid UTF-8.
    const utf8 = new TextDecoder().decode(bytes);
    return isMostlyRight(utf8) ? utf8 : text;
  }
  for (const label of labels) {
    const text = new TextDecoder(label).decode(bytes);
    if (isMostlyRight(text)) return text;
  }
  return new TextDecoder("windows-1252").decode(bytes);
}

/** Type definitions with a closed list of labels are stricter than the constructor. */
type Label = NonNullable<ConstructorParameters<typeof TextDecoder>[0]>;

/** Normalizes a charset label to the name of its encoding; undefined for an unknown label. */
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

/** Text in another charset hardly ever forms a valid UTF-8 character by accident. */
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

/** XML and JSON begin with an ASCII character: a zero byte next to it means two bytes per character. */
function wideEncoding([first, second]: Uint8Array): Label | undefined {
  if (first === 0 && second !== 0) return "utf-16be";
  if (first !== 0 && second === 0) return "utf-16le";
  return undefined;
}

function getCharset(contentType: string | undefined): string | undefined {
  return /;\s*charset\s*=\s*["']?([^\s"';]+)/i.exec(contentType ?? "")?.[1];
}

function declaredEncoding(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder("windows-1252").decode(bytes.subarray(0, 1024));
  return /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"']+)["']/i.exec(head)?.[1];
}
