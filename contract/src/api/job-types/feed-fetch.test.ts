import { expect, test } from "bun:test";
import { feedFetch } from "./feed-fetch.ts";

test.each([
  "http://user:password@example.org/feed.xml",
  "https://user@example.org",
  "HTTP://user:password@example.org",
  "http:///user:password@example.org",
  "http:user:password@example.org",
  "http:\\\\user:password@example.org",
  "ht\ntp://user:password@example.org",
  "http://us\ter@example.org",
])("an address with credentials is refused: %s", (url) => {
  const { error } = feedFetch.data.safeParse({ url });
  expect(error?.issues.at(-1)).toMatchObject({
    path: ["url"],
    message: expect.stringContaining("password"),
  });
});

test.each(["https://example.org/@user/feed.xml", "https://example.org?mail=a@b"])(
  "an @ behind the host is none: %s",
  (url) => expect(feedFetch.data.safeParse({ url }).success).toBe(true),
);
