import { z } from "zod";
import { feedLimits } from "../limits.ts";

const text = z.string().nullable();

export const FeedItem = z
  .strictObject({
    source: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: "Name of the feed; `source` and `guid` together identify the item" }),
    guid: z
      .string()
      .min(1)
      .refine((guid) => new TextEncoder().encode(guid).length <= feedLimits.guidBytes, {
        error: `At most ${feedLimits.guidBytes} bytes of UTF-8.`,
      })
      .meta({
        description: `The guid or id of the item, else its link, else a hash of its content; up to ${feedLimits.guidBytes} bytes`,
      }),
    title: text.meta({ description: "Title without markup" }),
    link: text,
    author: text.meta({ description: "Names, comma-separated" }),
    publishedAt: z.iso.datetime().nullable(),
    summary: text.meta({ description: "Often HTML" }),
    content: text.meta({ description: "Often HTML" }),
    categories: z.array(z.string()),
  })
  .meta({
    id: "FeedItem",
    description: "One item of a feed",
    example: {
      source: "example.org",
      guid: "https://example.org/posts/1",
      title: "Hello",
      link: "https://example.org/posts/1",
      author: "Ada",
      publishedAt: "2026-11-23T10:00:00.000Z",
      summary: "A first post",
      content: null,
      categories: ["news"],
    },
  });
export type FeedItem = z.infer<typeof FeedItem>;
