import { z } from "zod";
import { FeedItem } from "../feeds/feed-item.ts";
import { defineJob } from "../job-type.ts";

export const feedItem = defineJob({
  type: "feed.item",
  queue: "feeds",
  data: FeedItem,
  result: z.strictObject({ outcome: z.enum(["new", "changed", "same"]) }),
  searchable: ["source"],
  key: (item) => `${item.source}#${item.guid}`,
});
