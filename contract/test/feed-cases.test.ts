import { describe, expect, test } from "bun:test";
import { parseFeed } from "../src/engine/feeds/parse-feed.ts";

describe("a feed that others got wrong", () => {
  const read = (name: string) => Bun.file(new URL(`feeds/${name}`, import.meta.url)).bytes();
  const parse = async (name: string, url?: string) => {
    const parsed = parseFeed(await read(name), { source: "test", url });
    if (parsed.status === "invalid") throw new Error(parsed.detail);
    return parsed;
  };

  test("with a cut character loses that character alone", async () => {
    const { title, items } = await parse("cut.xml");
    expect([title, ...items.map((item) => item.title)]).toEqual([
      "Straße",
      "Größe",
      "cut M\uFFFD...",
    ]);
  });

  test("with odd dates has a time or none, never another one", async () => {
    const { items } = await parse("dates.xml");
    expect(items.map(({ guid, publishedAt }) => [guid, publishedAt])).toEqual([
      ["pm", "2006-01-02T15:04:05.000Z"],
      ["minus", null],
      ["plain", "2024-03-05T11:30:00.000Z"],
    ]);
  });

  test("with relative links has them resolved against where it was retrieved", async () => {
    const { items } = await parse("relative.atom", "http://host/blog/feed.xml");
    expect(items.map(({ link }) => link)).toEqual([
      "http://host/posts/two",
      "http://host/blog/release-2/index.html",
    ]);
  });

  test("with an item of nothing but an extension has that item", async () => {
    expect((await parse("untitled.xml")).items).toHaveLength(1);
  });
});
