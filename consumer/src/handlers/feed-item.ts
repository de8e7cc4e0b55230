import type { feedItem } from "@toril/contract/api/job-types/feed-item";
import type { Handler } from "../worker/handler.ts";
import type { UpsertFeedItem } from "../upsert/feed-items.ts";

export function createFeedItem(upsert: UpsertFeedItem): Handler<typeof feedItem> {
  return async (item, { id }) => ({ outcome: await upsert(id, item) });
}
