import { decodeHTMLStrict } from "entities";

const inlineTag =
  /<\/?(?:a|abbr|b|big|br|cite|code|del|div|em|font|h[1-6]|i|img|ins|kbd|mark|p|q|s|small|span|strike|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?\/?>/gi;

/** Removes characters that Postgres cannot store (NUL, lone surrogates) and trims; returns null for empty text. */
export function cleanText(text: string | undefined): string | null {
  return text?.replace(/[\0\p{Surrogate}]/gu, "").trim() || null;
}

/** Cleans text as `cleanText` does and collapses whitespace to single spaces. */
export function cleanLine(text: string | undefined): string | null {
  return cleanText(text)?.replace(/\s+/g, " ") ?? null;
}

/**
 * Converts an HTML title to plain text. Feeds put HTML into plain-text titles and escape titles twice. Character
 * references 128-159 are read as windows-1252, as in HTML.
 */
export function htmlToLine(html: string | undefined): string | null {
  return cleanLine(html === undefined ? html : decodeHTMLStrict(html.replace(inlineTag, "")));
}

/** Joins the names in an item's author elements; uses email addresses only if there are no names. */
export function joinPersons(raw: readonly (string | undefined)[]): string | null {
  const persons = [...new Set(raw.map(toName).filter((person) => person !== null))];
  const names = persons.filter((person) => !isAddress(person));
  return (names.length > 0 ? names : persons).join(", ") || null;
}

/** Parses the RSS standard `ann@example.org (Ann)`, the common `Ann <ann@example.org>` and Atom's `<name>`. */
function toName(raw: string | undefined): string | null {
  const text = raw?.slice(0, 500);
  const person = cleanLine(/<name>([^<]*)<\/name>/.exec(text ?? "")?.[1] ?? text) ?? "";
  const [, name] = /^\S+ \((.+)\)$/.exec(person) ?? /^(.+?) ?<[^<>\s]+>$/.exec(person) ?? [];
  return cleanLine(
    (name !== undefined && person.includes("@") ? name : person).replace(/^mailto:/i, ""),
  );
}

function isAddress(person: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(person);
}

/** Such links would execute script in the page that shows them. */
const refusedSchemes = new Set(["javascript:", "data:", "vbscript:"]);
/** A longer base URL is ignored, because each relative link would grow by its length. */
const maxBaseLength = 2048;

/** Resolves nested base URLs, outermost first, each against the previous one. */
export function joinBases(bases: readonly (string | undefined)[]): string | undefined {
  let base: string | undefined;
  for (const next of bases) {
    const href = next === undefined ? undefined : URL.parse(next, base)?.href;
    if (href !== undefined && href.length <= maxBaseLength) base = href;
  }
  return base;
}

/** Returns an absolute link as written, or a relative link resolved against `base`; null for an unsafe link. */
export function resolveLink(
  raw: string | null | undefined,
  base: string | undefined,
): string | null {
  const link = cleanText(raw ?? undefined);
  if (link === null) return null;
  const absolute = URL.parse(link);
  if (absolute) return refusedSchemes.has(absolute.protocol) ? null : link;
  return URL.parse(link, base)?.href ?? link;
}
