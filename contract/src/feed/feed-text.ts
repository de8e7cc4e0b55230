const inlineTag =
  /<\/?(?:a|abbr|b|big|br|cite|code|del|div|em|font|h[1-6]|i|img|ins|kbd|mark|p|q|s|small|span|strike|strong|sub|sup|tt|u|wbr)(?:\s[^<>]*)?\/?>/gi;
const entity = /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,6}));/gi;
const named = new Map(
  Object.entries({
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
    apos: "'",
    nbsp: " ",
    ndash: "–",
    mdash: "—",
    lsquo: "‘",
    rsquo: "’",
    ldquo: "“",
    rdquo: "”",
    hellip: "…",
  }),
);

/** Text that Postgres stores, or null when nothing is left: no NUL characters, no lone surrogates. */
export function cleanText(text: string | undefined): string | null {
  return text?.replace(/[\0\p{Surrogate}]/gu, "").trim() || null;
}

export function cleanLine(text: string | undefined): string | null {
  return cleanText(text)?.replace(/\s+/g, " ") ?? null;
}

/** A title as it reads: feeds write them as HTML, also where they should not, and escape them once too often. */
export function htmlToLine(html: string | undefined): string | null {
  return cleanLine(html?.replace(inlineTag, "").replace(entity, decodeEntity));
}

function decodeEntity(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return named.get(name) ?? whole;
  const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
  return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
}
