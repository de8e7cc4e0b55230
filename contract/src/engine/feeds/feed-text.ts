import { decodeHTMLStrict } from "entities";

const inlineTag =
  /<\/?(?:a|abbr|b|big|br|cite|code|del|div|em|font|h[1-6]|i|img|ins|kbd|mark|p|q|s|small|span|strike|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?\/?>/gi;

/** Text that Postgres stores, or null when nothing is left: no NUL characters, no lone surrogates. */
export function cleanText(text: string | undefined): string | null {
  return text?.replace(/[\0\p{Surrogate}]/gu, "").trim() || null;
}

export function cleanLine(text: string | undefined): string | null {
  return cleanText(text)?.replace(/\s+/g, " ") ?? null;
}

/**
 * The text of a title: feeds write titles as HTML, also where they should not, and escape them once too often.
 * References to 128-159 are characters of windows-1252, as HTML has it.
 */
export function htmlToLine(html: string | undefined): string | null {
  return cleanLine(html === undefined ? html : decodeHTMLStrict(html.replace(inlineTag, "")));
}
