import { findExcess, type JsonLimits } from "../../api/json/json.ts";
import { feedLimits } from "../../api/limits.ts";
import { beginScan, scanJson } from "../../api/json/json-scan.ts";

type FeedJson = { status: "ok"; value: unknown } | { status: "invalid"; detail: string };

/** Limits for the text of a JSON Feed; the size is checked elsewhere. */
const feedJsonLimits: JsonLimits = {
  depth: 100,
  members: feedLimits.values,
  values: feedLimits.values,
};

const utf8 = new TextEncoder();

/**
 * Parses the text of a JSON Feed. An `id` that is a fraction or a number beyond 2^53 becomes a string of its digits.
 * Lenient with malformed feeds: of duplicate members the last one counts.
 */
export function parseFeedJson(text: string): FeedJson {
  const bytes = utf8.encode(text);
  const scan = beginScan(0);
  const isMore = scanJson(scan, bytes, bytes.length);
  if (isMore || scan.open > 0) return notJson;
  const excess = findExcess(scan, feedJsonLimits);
  if (excess !== undefined) return { status: "invalid", detail: excess };
  try {
    const value: unknown = JSON.parse(text);
    return { status: "ok", value: hasInexactId(value) ? JSON.parse(text, keepDigits) : value };
  } catch {
    return notJson;
  }
}

const notJson: FeedJson = {
  status: "invalid",
  detail: "The document is neither XML nor valid JSON.",
};

function hasInexactId(feed: unknown): boolean {
  const { items } = (feed ?? {}) as { items?: unknown };
  return Array.isArray(items) && items.some((item: { id?: unknown } | null) => isInexact(item?.id));
}

function isInexact(value: unknown): boolean {
  return typeof value === "number" && !Number.isSafeInteger(value);
}

/** A JSON.parse reviver; ECMAScript 2026 passes the source text of each number. */
function keepDigits(name: string, value: unknown, context?: { source?: string }): unknown {
  return name === "id" && isInexact(value) ? (context?.source ?? value) : value;
}
