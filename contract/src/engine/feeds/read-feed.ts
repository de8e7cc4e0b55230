import {
  MalformedError,
  parseAtomFeed,
  parseJsonFeed,
  parseRdfFeed,
  parseRssFeed,
} from "feedsmith";
import { mapAtom, mapJson, mapRdf, mapRss, type DraftFeed } from "./map-feed.ts";
import { parseFeedJson } from "./feed-json.ts";
import { feedLimits } from "../../api/limits.ts";
import { repairXml, tooManyItems } from "./repair-xml.ts";

export type FeedFormat = "rss" | "atom" | "rdf" | "json";

type ReadFeed =
  | { status: "ok"; format: FeedFormat; feed: DraftFeed }
  | { status: "invalid"; detail: string };

/**
 * Parses a feed; detects the format from the text, not from the content type.
 * @param url where the feed was retrieved
 */
export function readFeed(text: string, url: string | undefined): ReadFeed {
  const trimmed = text.trim();
  if (trimmed === "") return { status: "invalid", detail: "The document is empty." };
  return /^[[{]/.test(trimmed) ? readJson(trimmed, url) : readXml(trimmed, url);
}

function readXml(text: string, url: string | undefined): ReadFeed {
  const repaired = repairXml(text);
  if (repaired.status === "invalid") return repaired;
  const { format, xml } = repaired;
  try {
    if (format === "rss") return { status: "ok", format, feed: mapRss(parseRssFeed(xml), url) };
    if (format === "atom") return { status: "ok", format, feed: mapAtom(parseAtomFeed(xml), url) };
    return { status: "ok", format, feed: mapRdf(parseRdfFeed(xml), url) };
  } catch (error) {
    const cause =
      error instanceof MalformedError && error.cause instanceof Error ? error.cause : null;
    const detail =
      cause === null
        ? "The feed has neither a title nor items."
        : `The feed cannot be read: ${cause.message}.`;
    return { status: "invalid", detail };
  }
}

function readJson(text: string, url: string | undefined): ReadFeed {
  const parsed = parseFeedJson(text);
  if (parsed.status === "invalid") return parsed;
  const { value } = parsed;
  try {
    dropLengths(value, 4);
    const feed = parseJsonFeed(value, { maxItems: feedLimits.items + 1 });
    const isTooLong = (feed.items?.length ?? 0) > feedLimits.items;
    if (isTooLong) return { status: "invalid", detail: tooManyItems };
    return { status: "ok", format: "json", feed: mapJson(feed, url) };
  } catch {
    return { status: "invalid", detail: "The document is JSON, but not a JSON Feed." };
  }
}

/** feedsmith treats an object with a `length` as an array of that length, at the depths that it inspects. */
function dropLengths(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (!Array.isArray(value)) Reflect.deleteProperty(value, "length");
  for (const child of Object.values(value)) dropLengths(child, depth - 1);
}
