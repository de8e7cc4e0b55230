import { cleanText } from "./feed-text.ts";

/** Would run in the page of whoever shows them. */
const refusedSchemes = new Set(["javascript:", "data:", "vbscript:"]);

/** A link as written when it is absolute, else resolved against the bases, outermost first; null when it must not be followed. */
export function resolveLink(
  raw: string | null | undefined,
  bases: readonly (string | undefined)[],
): string | null {
  const link = cleanText(raw ?? undefined);
  if (link === null) return null;
  const absolute = URL.parse(link);
  if (absolute) return refusedSchemes.has(absolute.protocol) ? null : link;
  let base: string | undefined;
  for (const next of bases) base = (next && URL.parse(next, base)?.href) || base;
  return URL.parse(link, base)?.href ?? link;
}
