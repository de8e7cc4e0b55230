import type { AcceptedJob, FeedFetchData, FeedPage } from "./api-types.ts";
import {
  type CallOptions,
  type PageQuery,
  postJson,
  type Transport,
  type WriteOptions,
} from "./transport.ts";

export function createFeedCalls({ call }: Transport) {
  return {
    /** Lists the feeds that `feed.fetch` jobs fetched, ordered by source. */
    listFeeds: (query: PageQuery = {}, options: CallOptions = {}) =>
      call<FeedPage>("/v1/feeds", { ...options, query: { ...query } }),

    /** Fetches a known feed now, even if polling ended or the server asked to wait. */
    fetchFeed: (feed: FeedFetchData, options: WriteOptions = {}) =>
      call<AcceptedJob>("/v1/feeds/fetch", postJson(feed, options)),
  };
}
