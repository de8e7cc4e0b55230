import { z } from "zod";
import { createPage } from "../page.ts";

const time = z.iso.datetime();
const count = z.int().min(0);

/** The outcome of the last request for a feed. */
const EndedFetch = z
  .strictObject({
    endedAt: time,
    status: z.int().nullable().meta({ description: "HTTP status; null if no response arrived" }),
    error: z.string().nullable(),
    new: count.nullable().meta({ description: "New items; null if the fetch failed" }),
    changed: count.nullable().meta({ description: "Changed items; null if the fetch failed" }),
  })
  .meta({ id: "EndedFetch" });

/** A feed that `feed.fetch` jobs fetched. */
export const Feed = z
  .strictObject({
    source: z.string().meta({ description: "Name under which the items are stored" }),
    url: z.string(),
    movedTo: z.string().nullable().meta({
      description: "Target of permanent redirects (301, 308); the next fetch uses this URL",
    }),
    lastFetch: z
      .union([EndedFetch, z.null()])
      .meta({ description: "The last request for the feed; null until the first one has ended" }),
    failures: count.meta({ description: "Number of consecutive failures" }),
    endedAt: time.nullable().meta({
      description: "Time when polling ended because the server answered 410 Gone",
    }),
    notBefore: time.nullable().meta({
      description: "No fetch before this time, by Retry-After or Cache-Control of the server",
    }),
    nextFetchAt: time.nullable().meta({
      description: "Next fire time of the schedules of this feed; null without a schedule",
    }),
  })
  .meta({
    id: "Feed",
    example: {
      source: "https://example.org/feed.xml",
      url: "https://example.org/feed.xml",
      movedTo: null,
      lastFetch: {
        endedAt: "2026-11-26T09:40:00.000Z",
        status: 200,
        error: null,
        new: 2,
        changed: 0,
      },
      failures: 0,
      endedAt: null,
      notBefore: "2026-11-26T09:45:00.000Z",
      nextFetchAt: "2026-11-26T09:50:00.000Z",
    },
  });
export type Feed = z.infer<typeof Feed>;

export const FeedPage = createPage("FeedPage", Feed);
