import { cleanText } from "./feed-text.ts";

/** Would run in the page of whoever shows them. */
const refusedSchemes = new Set(["javascript:", "data:", "vbscript:"]);
/** A longer base is ignored: each relative link would grow by it. */
const maxBaseLength = 2048;

/** The base URL of relative links: each of the bases, outermost first, is resolved against the one before it. */
export function joinBases(bases: readonly (string | undefined)[]): string | undefined {
  let base: string | undefined;
  for (const next of bases) {
    const href = next === undefined ? undefined : URL.parse(next, base)?.href;
    if (href !== undefined && href.length <= maxBaseLength) base = href;
  }
  return base;
}

/** Returns an absolute link as written, a relative one resolved against `base`; null when nobody must follow the link. */
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
