import { parentPort } from "node:worker_threads";
import type { FeedItem } from "../../api/feeds/feed-item.ts";
import type { FromFeedThread, ToFeedThread } from "./feed-parser.ts";
import { parseFeed } from "./parse-feed.ts";

/** Maximum size of a page, so that the receiver parses a page in a few milliseconds. */
const pageItems = 500;
const pageLength = 500_000;

/** Answers each feed with pages of JSON text, which are transferred without a copy and parsed one by one. */
function serve(port: NonNullable<typeof parentPort>): void {
  const encoder = new TextEncoder();
  port.on("message", ({ bytes, options }: ToFeedThread) => {
    const parsed = parseFeed(bytes, options);
    if (parsed.status === "invalid") {
      port.postMessage(parsed satisfies FromFeedThread);
      return;
    }
    const { status, format, title, items } = parsed;
    const pages = Array.from(toPages(items), (page) => encoder.encode(page));
    const message: FromFeedThread = { status, format, title, pages };
    port.postMessage(
      message,
      pages.map(({ buffer }) => buffer),
    );
  });
}

function* toPages(items: readonly FeedItem[]): Generator<string> {
  let page: string[] = [];
  let length = 0;
  for (const item of items) {
    const text = JSON.stringify(item);
    page.push(text);
    length += text.length;
    if (page.length < pageItems && length < pageLength) continue;
    yield `[${page.join(",")}]`;
    page = [];
    length = 0;
  }
  if (page.length > 0) yield `[${page.join(",")}]`;
}

if (parentPort !== null) serve(parentPort);
