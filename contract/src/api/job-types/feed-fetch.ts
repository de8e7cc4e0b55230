import { z } from "zod";
import { defineJob } from "../job-type.ts";
import { secret } from "../job-data/secret-fields.ts";

export const feedFetch = defineJob({
  type: "feed.fetch",
  queue: "feeds",
  // A load that is acceptable for a single server.
  rateLimit: { by: ({ url }) => new URL(url).host, max: 20, durationMs: 10_000 },
  data: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .max(2048)
        .refine((url) => !hasCredentials(url), {
          error: "A password in a URL is stored in plain text: use `authorization` instead.",
        }),
      source: z
        .string()
        .min(1)
        .max(255)
        .optional()
        .meta({ description: "Name under which the items are stored; default: the URL" }),
      authorization: secret(
        z
          .string()
          .min(1)
          .max(8192)
          .regex(
            /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/,
            "Only characters that are valid in a header.",
          ),
      )
        .optional()
        .meta({
          description: "Value of the Authorization header; sent only to the origin of `url`",
        }),
    })
    .refine(({ url, source }) => source !== undefined || url.length <= 255, {
      path: ["source"],
      error: "A URL of more than 255 characters requires `source`.",
    })
    .meta({ id: "FeedFetchData", example: { url: "https://example.org/feed.xml" } }),
  result: z.strictObject({
    items: z.int().meta({ description: "Number of items in the feed; 0 if `notModified`" }),
    new: z.int().meta({ description: "New items, enqueued as jobs" }),
    changed: z
      .int()
      .meta({ description: "Items that differ from the stored version, enqueued as jobs" }),
    same: z.int().meta({ description: "Unchanged items" }),
    duplicate: z.int().meta({ description: "Items whose previous job is still pending" }),
    skipped: z.int().meta({ description: "Items that are too large or cannot be stored" }),
    notModified: z.boolean().meta({ description: "The server responded 304 Not Modified" }),
    notFetched: z
      .strictObject({
        reason: z.enum(["ended", "not-due"]).meta({
          description:
            "`ended`: the server answered 410 Gone to an earlier fetch. `not-due`: the server asked to wait (Retry-After or Cache-Control)",
        }),
        until: z.iso.datetime().nullable().meta({
          description: "Until when the feed is not fetched; null if polling ended",
        }),
      })
      .optional()
      .meta({ description: "Why no request was sent; absent if the feed was fetched" }),
  }),
});

/** Returns whether a URL has credentials. Uses the URL parser, which also finds them in `http:///user:password@host`. */
function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== "" || url.password !== "");
}
