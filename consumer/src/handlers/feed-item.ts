import type { Handler } from "../worker/handler.ts";
import type { UpsertFeedItem } from "../upsert/feed-items.ts";

export function createFeedItem(upsert: UpsertFeedItem): Handler<"feed.item"> {
  return async (item, { id }) => ({ outcome: await upsert(id, item) });
}
