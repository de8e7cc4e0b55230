import { parseOpml } from "feedsmith";
import { decodeFeed } from "./decode-feed.ts";

/** A feed of a subscription list. */
export interface OpmlFeed {
  url: string;
  title: string | null;
}

type Outline = NonNullable<NonNullable<ReturnType<typeof parseOpml>["body"]>["outlines"]>[number];

/**
 * Reads the feeds of an OPML document, also those in folders, each URL once.
 * @throws if the document is no OPML
 */
export function readOpml(bytes: Uint8Array): OpmlFeed[] {
  const feeds = new Map<string, OpmlFeed>();
  const { body } = parseOpml(decodeFeed(bytes, undefined));
  // Folders may be nested deeper than a stack.
  const pending: Outline[] = (body?.outlines ?? []).toReversed();
  for (let outline = pending.pop(); outline !== undefined; outline = pending.pop()) {
    const { xmlUrl, title, text, outlines = [] } = outline;
    const url = xmlUrl?.trim() ?? "";
    if (url !== "" && !feeds.has(url)) feeds.set(url, { url, title: title ?? text ?? null });
    pending.push(...outlines.toReversed());
  }
  return [...feeds.values()];
}
