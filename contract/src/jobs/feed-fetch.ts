import { z } from "zod";
import { defineJob } from "../job-type.ts";

export const feedFetch = defineJob({
  type: "feed.fetch",
  queue: "feeds",
  data: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).max(2048),
      source: z
        .string()
        .min(1)
        .max(255)
        .optional()
        .meta({ description: "Under which name the items are kept; by default the address" }),
    })
    .refine(({ url, source }) => source !== undefined || url.length <= 255, {
      path: ["source"],
      error: "An address of more than 255 characters needs a source.",
    })
    .meta({ id: "FeedFetchData", example: { url: "https://example.org/feed.xml" } }),
  result: z.strictObject({
    items: z.int().meta({ description: "How many the feed holds" }),
    created: z.int().meta({ description: "How many became jobs" }),
    duplicate: z.int().meta({ description: "How many were still waiting from the last time" }),
  }),
});
