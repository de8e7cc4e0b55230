import { cleanText } from "./feed-text.ts";

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
