import { isDeepStrictEqual } from "node:util";
import type { FeedParser, PagedFeed } from "@toril/contract/engine/feeds/feed-parser";
import type { JobRequest } from "@toril/contract/api/jobs/job-request";
import type { JobResult } from "@toril/contract/api/job-type";
import { feedFetch } from "@toril/contract/api/job-types/feed-fetch";
import type { feedItem } from "@toril/contract/api/job-types/feed-item";
import { createScrub } from "@toril/contract/engine/secrets/scrub";
import type { CompareItems } from "../feeds/compare-items.ts";
import type { FeedFetch, FeedStates } from "../feeds/feed-states.ts";
import {
  NonRetryableError,
  type Handler,
  type HandlerContext,
  RetryAfterError,
} from "../worker/handler.ts";
import type { FetchedDocument, FetchOptions, Known, Reuse } from "../safe-fetch/safe-fetch.ts";
import type { FeedItem } from "../upsert/feed-items.ts";

export type FetchDocument = (url: string, options: FetchOptions) => Promise<FetchedDocument>;

export interface FeedFetchDeps {
  fetchDocument: FetchDocument;
  feeds: FeedStates;
  compareItems: CompareItems;
  parseFeed: FeedParser["parse"];
}

type Summary = JobResult<typeof feedFetch>;

/** A Retry-After delay uses no attempt: after this many failures in a row the next scheduled fetch tries again. */
const maxDelays = 20;

/** A job whose feed is due this soon waits, so that a job delayed by Retry-After fetches although clocks differ. */
const longestWaitMs = 5000;

const unchanged: Summary = {
  items: 0,
  new: 0,
  changed: 0,
  same: 0,
  duplicate: 0,
  skipped: 0,
  notModified: true,
};

/** Returns the result of a job that must not fetch its feed now, or undefined. */
function toNotFetched({ endedAt, notBefore }: FeedFetch): Summary | undefined {
  const result = { ...unchanged, notModified: false };
  if (endedAt !== null) return { ...result, notFetched: { reason: "ended", until: null } };
  const leftMs = notBefore === null ? 0 : notBefore.getTime() - Date.now();
  if (notBefore === null || leftMs <= 0) return undefined;
  if (leftMs <= longestWaitMs) {
    throw new RetryAfterError(notBefore, "The server asked to wait until this time.");
  }
  return { ...result, notFetched: { reason: "not-due", until: notBefore.toISOString() } };
}

export function createFeedFetch(deps: FeedFetchDeps): Handler<typeof feedFetch> {
  const { fetchDocument, feeds, compareItems, parseFeed } = deps;
  const { findSecrets } = feedFetch;

  async function enqueueItems(
    { url }: FeedFetch,
    feed: PagedFeed & { status: "ok" },
    { id, enqueue, log, signal }: HandlerContext,
  ): Promise<Summary> {
    const toRequest = (data: FeedItem): JobRequest<[typeof feedItem]> => ({
      type: "feed.item",
      data,
    });
    const summary = { ...unchanged, notModified: false };
    for await (const items of feed.pages) {
      signal.throwIfAborted();
      const { fresh, changed, same } = await compareItems(id, items);
      const first = await enqueue(fresh.map(toRequest));
      const second = await enqueue(changed.map(toRequest));
      const refused = [...first.refused, ...second.refused];
      if (refused.length > 0) {
        log.warn({ url, refused: refused.slice(0, 10) }, "items were skipped");
      }
      summary.items += items.length;
      summary.new += first.created;
      summary.changed += second.created;
      summary.same += same;
      summary.duplicate += first.duplicate + second.duplicate;
      summary.skipped += refused.length;
    }
    return summary;
  }

  return async (data, context) => {
    const { url, source = url, authorization } = data;
    const { id, signal } = context;
    // Before the request: a refused attempt must not cost the feed a request.
    await context.admitChildren();
    // A server may echo the secrets it received.
    const scrub = findSecrets && createScrub(data, findSecrets);
    const fetch = await feeds.begin(id, source, url);
    const notFetched = toNotFetched(fetch);
    if (notFetched !== undefined) return notFetched;
    const { known } = fetch;
    // Only the origin of `url` may receive the secret: such a feed is always asked for at its own address.
    const remembered = authorization === undefined ? (fetch.movedTo ?? undefined) : undefined;
    const document = await fetchDocument(remembered ?? url, { signal, authorization, known });
    const { code } = document;

    async function recordFailure(error: Error): Promise<Error> {
      const detail = scrub?.text(error.message) ?? error.message;
      const isTemporary = document.status === "failed" || document.status === "later";
      await feeds.end(fetch, {
        code,
        error: detail,
        known,
        // A move to an address without the feed was a mistake of the server.
        movedTo: isTemporary ? (fetch.movedTo ?? undefined) : undefined,
        isGone: code === 410,
        notBefore: document.status === "later" ? document.at : null,
      });
      return error;
    }

    const success = (after: Reuse) => ({
      code,
      movedTo: authorization === undefined ? (after.movedTo ?? remembered) : undefined,
      notBefore: after.freshUntil,
    });

    if (document.status === "not-modified") {
      await feeds.end(fetch, { ...success(document), known, counts: unchanged });
      return unchanged;
    }
    if (document.status !== "ok") throw await recordFailure(toError(document, fetch));
    // Held until the attempt ends: the items need as much memory as the body.
    using _ = document.held;
    const { bytes, contentType, url: finalUrl, etag, lastModified } = document;
    const feed = await parseFeed(bytes, { contentType, source, url: finalUrl }, signal);
    if (feed.status === "invalid") throw await recordFailure(new NonRetryableError(feed.detail));
    const summary = await enqueueItems(fetch, feed, context);
    const now: Known = { url: finalUrl, etag, lastModified };
    const containsSecret = scrub !== undefined && !isDeepStrictEqual(scrub.value(now), now);
    // A pending job with the same key may contain an older version of the item.
    const isKnown = summary.duplicate === 0 && !containsSecret;
    const outcome = success(document);
    await feeds.end(fetch, {
      ...outcome,
      known: isKnown ? now : undefined,
      counts: summary,
      notBefore: isKnown ? outcome.notBefore : null,
    });
    return summary;
  };
}

function toError(
  { status, detail, ...document }: Exclude<FetchedDocument, { status: "ok" | "not-modified" }>,
  { failures }: FeedFetch,
): Error {
  if (status === "failed") return new Error(detail);
  if (!("at" in document)) return new NonRetryableError(detail);
  return failures < maxDelays
    ? new RetryAfterError(document.at, detail)
    : new NonRetryableError(`${detail} The server sent Retry-After ${maxDelays} times in a row.`);
}
