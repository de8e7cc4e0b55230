import { z } from "zod";
import { defineJob } from "../job-type.ts";
import { secret } from "../secret.ts";

export const feedFetch = defineJob({
  type: "feed.fetch",
  queue: "feeds",
  // What one server can be expected to bear.
  rateLimit: { by: ({ url }) => new URL(url).host, max: 20, durationMs: 10_000 },
  data: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .max(2048)
        .refine((url) => !hasCredentials(url), {
          error: "An address with a password is kept in the clear: send `authorization`.",
        }),
      source: z
        .string()
        .min(1)
        .max(255)
        .optional()
        .meta({ description: "Under which name the items are kept; by default the address" }),
      authorization: secret(
        z
          .string()
          .min(1)
          .max(8192)
          .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "Only what a header can hold."),
      )
        .optional()
        .meta({
          description: "Value of the Authorization header; sent to the origin of `url` alone",
        }),
    })
    .refine(({ url, source }) => source !== undefined || url.length <= 255, {
      path: ["source"],
      error: "An address of more than 255 characters needs a source.",
    })
    .meta({ id: "FeedFetchData", example: { url: "https://example.org/feed.xml" } }),
  result: z.strictObject({
    items: z.int().meta({ description: "How many the feed holds; none are read when notModified" }),
    new: z.int().meta({ description: "Were not kept yet, and became jobs" }),
    changed: z.int().meta({ description: "Differ from what is kept, and became jobs" }),
    same: z.int().meta({ description: "Are kept as they are" }),
    duplicate: z.int().meta({ description: "Are still waiting from the last time" }),
    skipped: z.int().meta({ description: "Are too large, or cannot be stored" }),
    notModified: z.boolean().meta({ description: "The server said that nothing changed (304)" }),
  }),
});

/** By the URL parser: it also finds them in `http:///user:password@host`. */
function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== "" || url.password !== "");
}
