import {
  MalformedError,
  parseAtomFeed,
  parseJsonFeed,
  parseRdfFeed,
  parseRssFeed,
} from "feedsmith";
import { mapAtom, mapJson, mapRdf, mapRss, type DraftFeed } from "./map-feed.ts";
import { parseFeedJson } from "./feed-json.ts";
import { tameXml } from "./tame-xml.ts";

export type FeedFormat = "rss" | "atom" | "rdf" | "json";

type ReadFeed =
  | { status: "ok"; format: FeedFormat; feed: DraftFeed }
  | { status: "invalid"; detail: string };

/** Reads a feed by what the text is, whatever it is called. */
export function readFeed(text: string): ReadFeed {
  const trimmed = text.trim();
  if (trimmed === "") return { status: "invalid", detail: "The document is empty." };
  return /^[[{]/.test(trimmed) ? readJson(trimmed) : readXml(trimmed);
}

function readXml(text: string): ReadFeed {
  const tamed = tameXml(text);
  if (tamed.status === "invalid") return tamed;
  const { format, xml } = tamed;
  try {
    if (format === "rss") return { status: "ok", format, feed: mapRss(parseRssFeed(xml)) };
    if (format === "atom") return { status: "ok", format, feed: mapAtom(parseAtomFeed(xml)) };
    return { status: "ok", format, feed: mapRdf(parseRdfFeed(xml)) };
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

function readJson(text: string): ReadFeed {
  const parsed = parseFeedJson(text);
  if (parsed.status === "invalid") return parsed;
  const { value } = parsed;
  try {
    dropLengths(value, 4);
    return { status: "ok", format: "json", feed: mapJson(parseJsonFeed(value)) };
  } catch {
    return { status: "invalid", detail: "The document is JSON, but not a JSON Feed." };
  }
}

/** feedsmith takes an object with a `length`, at the depths it looks at, for an array of that many elements. */
function dropLengths(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (!Array.isArray(value)) Reflect.deleteProperty(value, "length");
  for (const child of Object.values(value)) dropLengths(child, depth - 1);
}
