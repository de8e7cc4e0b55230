import { createHash } from "node:crypto";
import { decodeFeed } from "./decode-feed.ts";
import type { FeedItem } from "../../api/feeds/feed-item.ts";
import { feedLimits } from "../../api/limits.ts";
import type { DraftItem } from "./map-feed.ts";
import { readFeed, type FeedFormat } from "./read-feed.ts";

export type ParsedFeed =
  | { status: "ok"; format: FeedFormat; title: string | null; items: FeedItem[] }
  | { status: "invalid"; detail: string };

export interface FeedOptions {
  contentType?: string | undefined;
  /** Name of the feed that the items belong to. */
  source: string;
  /** URL of the feed after redirects; relative links are resolved against it. */
  url?: string | undefined;
}

/**
 * Parses an untrusted feed: RSS 0.9x to 2.0, RDF, Atom 0.3 and 1.0, JSON Feed. Never throws. Takes time and memory in
 * proportion to the size, up to seconds and 100 MB: services use `createFeedParser`, which parses in a thread. Of items
 * that share a guid, returns the last updated one, else the last one.
 */
export function parseFeed(
  bytes: Uint8Array,
  { contentType, source, url }: FeedOptions,
): ParsedFeed {
  const read = readFeed(decodeFeed(bytes, contentType), url);
  if (read.status === "invalid") return read;
  const newest = new Map<string, DraftItem>();
  let length = 0;
  for (const item of read.feed.items) {
    length += getLength(item);
    if (length > feedLimits.itemsLength) {
      return { status: "invalid", detail: "The items of the feed are too large together." };
    }
    const guid = getGuid(item);
    const other = newest.get(guid);
    if (!other || (item.updatedAt ?? "") >= (other.updatedAt ?? "")) newest.set(guid, item);
  }
  const items = Array.from(newest, ([guid, item]): FeedItem => {
    const { title, link, author, publishedAt, summary, content, categories } = item;
    return { source, guid, title, link, author, publishedAt, summary, content, categories };
  });
  return { status: "ok", format: read.format, title: read.feed.title, items };
}

function getLength({ title, link, author, summary, content, categories }: DraftItem): number {
  const texts = [title, link, author, summary, content, ...categories];
  return texts.reduce((length, text) => length + (text?.length ?? 0), 0);
}

/** Returns the guid of an item, else its link, else a hash of its content. The same item always gets the same guid. */
function getGuid(item: DraftItem): string {
  const own = item.guid ?? item.link;
  if (own !== null && new TextEncoder().encode(own).length <= feedLimits.guidBytes) return own;
  return `sha256:${sha256(own ?? toContent(item))}`;
}

function toContent(item: DraftItem): string {
  const { title, author, publishedAt, summary, content, categories, digest } = item;
  const fields = [title, author, publishedAt, summary, content];
  const isBlank = categories.length === 0 && fields.every((field) => field === null);
  return isBlank && digest !== undefined ? digest : JSON.stringify([...fields, categories]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
