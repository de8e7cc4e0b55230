import { parseFeed } from "@toril/contract/feed/parse-feed";
import { GiveUp, type Handler } from "../handler.ts";
import type { FetchedDocument } from "../safe-fetch.ts";

export type FetchDocument = (
  url: string,
  options: { signal: AbortSignal; authorization: string | undefined },
) => Promise<FetchedDocument>;

export function createFeedFetch(fetchDocument: FetchDocument): Handler<"feed.fetch"> {
  return async ({ url, source = url, authorization }, { signal, enqueue, log }) => {
    const document = await fetchDocument(url, { signal, authorization });
    if (document.status === "refused") throw new GiveUp(document.detail);
    if (document.status === "failed") throw new Error(document.detail);
    const { bytes, contentType } = document;
    const feed = await parseFeed(bytes, { contentType, source });
    if (feed.status === "invalid") throw new GiveUp(feed.detail);
    const requests = feed.items.map((data) => ({ type: "feed.item", data }) as const);
    const { created, duplicate, refused } = await enqueue(requests);
    if (refused.length > 0) log.warn({ url, refused: refused.slice(0, 10) }, "items were skipped");
    return { items: feed.items.length, created, duplicate };
  };
}
