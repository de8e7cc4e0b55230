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
