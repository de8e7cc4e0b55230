import { decodeFeed } from "./decode-feed.ts";
import { guidOf } from "./feed-guid.ts";
import type { FeedItem } from "./feed-item.ts";
import type { DraftItem } from "./map-feed.ts";
import { readFeed, type FeedFormat } from "./read-feed.ts";

export type ParsedFeed =
  | { status: "ok"; format: FeedFormat; title: string | null; items: FeedItem[] }
  | { status: "invalid"; detail: string };

/**
 * Reads RSS 0.9x to 2.0, RDF, Atom 0.3 and 1.0, and JSON Feed, from strangers: never throws, and takes time and memory
 * in proportion to the bytes. Of items that share a guid the one updated last stays, else the last.
 */
export async function parseFeed(
  bytes: Uint8Array,
  options: { contentType?: string | undefined; source: string },
): Promise<ParsedFeed> {
  const read = readFeed(decodeFeed(bytes, options.contentType));
  if (read.status === "invalid") return read;
  const newest = new Map<string, DraftItem>();
  for (const item of read.feed.items) {
    const guid = await guidOf(item);
    const other = newest.get(guid);
    if (!other || (item.updatedAt ?? "") >= (other.updatedAt ?? "")) newest.set(guid, item);
  }
  const items = Array.from(newest, ([guid, item]): FeedItem => {
    const { title, link, author, publishedAt, summary, content, categories } = item;
    const { source } = options;
    return { source, guid, title, link, author, publishedAt, summary, content, categories };
  });
  return { status: "ok", format: read.format, title: read.feed.title, items };
}
