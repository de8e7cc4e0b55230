import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { FeedItem } from "../../api/feeds/feed-item.ts";
import { parseFeed } from "./parse-feed.ts";

/** Returns the error detail, or the number of items. */
async function _detail(document: string | Uint8Array): Promise<string> {
  const bytes = typeof document === "string" ? new TextEncoder().encode(document) : document;
  const parsed = parseFeed(bytes, { source: "test" });
  if (parsed.status === "invalid") return parsed.detail;
  for (const item of parsed.items) expect(FeedItem.parse(item)).toEqual(item);
  return `${parsed.items.length} items`;
}

function _rss(items: string): string {
  return `<rss version="2.0"><channel><title>T</title>${items}</channel></rss>`;
}

function _atom(entries: string): string {
  return `<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>${entries}</feed>`;
}

describe("a hostile document", () => {
  test("has its entities not expanded, and nothing of it opened", async () => {
    const laughs = Array.from(
      { length: 9 },
      (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i || ""};`.repeat(10)}">`,
    );
    const outside = `<!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;`;
    const doctype = `<!DOCTYPE rss [<!ENTITY lol "lol">${laughs.join("")}${outside}]>`;
    const document = doctype + _rss("<item><title>&lol9; &file;</title></item>");
    const parsed = parseFeed(new TextEncoder().encode(document), { source: "test" });
    expect(parsed).toMatchObject({ items: [{ title: "&lol9; &file;" }] });
  });

  const many = (text: string) => text.repeat(300_000 / text.length);
  const json = (items: unknown) =>
    JSON.stringify({ version: "https://jsonfeed.org/version/1.1", title: "T", items });
  const table = Array.from({ length: 5000 }, (_, i) => `<rdf:li rdf:resource="${i}"/>`).join("");
  const rdfItems = Array.from(
    { length: 5000 },
    (_, i) => `<item rdf:about="${i}"><title>x</title></item>`,
  ).join("");
  const documents: [string, () => string | Uint8Array, string][] = [
    [
      "100,000 levels of XML",
      () => _rss("<a>".repeat(100_000)),
      "The feed cannot be read: Maximum nested tags exceeded.",
    ],
    [
      "100,000 levels of XML in a title",
      () => _rss(`<item><title>${"<a>".repeat(100_000)}</title></item>`),
      "1 items",
    ],
    ["100,000 levels of closing tags", () => _rss("</a>".repeat(100_000)), "0 items"],
    [
      "100,000 levels of JSON",
      () => json([]).replace("[]", "[".repeat(100_000) + "]".repeat(100_000)),
      "Nested deeper than 100 levels.",
    ],
    [
      "100,000 levels of JSON objects",
      () => json([]).replace("[]", '{"items":'.repeat(100_000) + "1" + "}".repeat(100_000)),
      "Nested deeper than 100 levels.",
    ],
    [
      "a tag of 50 MB",
      () => _rss(`<a${"a".repeat(50_000_000)}>`),
      "A tag of the feed is too long.",
    ],
    [
      "a tag of 50 MB that is not closed",
      () => `<rss><a${"a".repeat(50_000_000)}`,
      "The document ends within a tag.",
    ],
    [
      "an attribute of 50 MB",
      () => _rss(`<a b="${"a".repeat(50_000_000)}"/>`),
      "A tag of the feed is too long.",
    ],
    ["a text of 5 MB", () => _rss("a".repeat(5_000_000)), "A text of the feed is too long."],
    ["200,001 tags", () => _rss("<a/>".repeat(200_001)), "The feed has too many tags."],
    [
      "200,000 attributes",
      () => _rss("<a b='' c='' d='' e=''/>".repeat(50_000)),
      "The feed has too many tags.",
    ],
    ["10,001 items", () => _rss("<item/>".repeat(10_001)), "The feed has more than 10000 items."],
    [
      "10,001 JSON items",
      () => json(Array.from({ length: 10_001 }, (_, id) => ({ id }))),
      "The feed has more than 10000 items.",
    ],
    [
      "authors that each entry repeats",
      () =>
        _atom(
          Array.from(
            { length: 300 },
            (_, n) => `<author><name>${n}${"a".repeat(400)}</name></author>`,
          ).join("") +
            Array.from({ length: 10_000 }, (_, id) => `<entry><id>${id}</id></entry>`).join(""),
        ),
      "The items of the feed are too large together.",
    ],
    [
      "8 MB of JSON arrays",
      () => json([]).replace("[]", `[${"[],".repeat(2_600_000)}[]]`),
      "More than 200000 values.",
    ],
    [
      "a JSON text of commas",
      () => json([{ id: "1", content_text: ',[{\\"'.repeat(1_000_000) }]),
      "1 items",
    ],
    ["50 MB of <", () => "<".repeat(50_000_000), "The document is neither XML nor JSON."],
    ["50 MB of zeros", () => new Uint8Array(50_000_000), "The document is neither XML nor JSON."],
    [
      "an item that calls itself an array",
      () => _rss("<item><title>x</title><length>4294967295</length></item>"),
      "1 items",
    ],
    ["JSON items that call themselves arrays", () => json({ length: 4_294_967_295 }), "0 items"],
    [
      "JSON tags that call themselves arrays",
      () => json([{ id: "1", tags: { length: 4_294_967_295 } }]),
      "1 items",
    ],
    [
      "a table of contents to look up",
      () =>
        `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel><items><rdf:Seq>${table}</rdf:Seq></items></channel>${rdfItems}</rdf:RDF>`,
      "5000 items",
    ],
    [
      "an author of parentheses",
      () => _rss(`<item><author>${many("(")}</author></item>`),
      "1 items",
    ],
    [
      "an author of dots",
      () => _rss(`<item><author>www.${many("a.")} x</author></item>`),
      "1 items",
    ],
    ["an author of @", () => _rss(`<item><author>${many("a@")} x</author></item>`), "1 items"],
    [
      "an editor of parentheses",
      () => _rss(`<managingEditor>${many("(")}</managingEditor>`),
      "0 items",
    ],
    ["a title of <", () => _rss(`<item><title>${"<".repeat(190_000)}</title></item>`), "1 items"],
    ["a title of half a tag", () => _rss(`<item><title>${many("<a ")}</title></item>`), "1 items"],
    [
      "a title of half a closing tag",
      () => _rss(`<item><title>${many("</a ")}</title></item>`),
      "1 items",
    ],
    [
      "a title of escaped tags",
      () => _rss(`<item><title>${many("&lt;b ")}</title></item>`),
      "1 items",
    ],
    ["a title of &", () => _rss(`<item><title>${many("&")}</title></item>`), "1 items"],
    [
      "a title of CDATA in comments",
      () => _rss(`<item><title>${many("<!--<![CDATA[-->")}x</title></item>`),
      "1 items",
    ],
    [
      "content of CDATA in attributes",
      () =>
        _atom(
          `<entry><id>1</id><content type="xhtml"><div>${many("<b a='<![CDATA['>")}</div></content></entry>`,
        ),
      "1 items",
    ],
    [
      "a date of digits",
      () => _rss(`<item><title>x</title><pubDate>${many("1 ")}</pubDate></item>`),
      "1 items",
    ],
    [
      "names of every object",
      () => _rss("<item><constructor/><title>x</title></item>"),
      'The feed cannot be read: [SECURITY] Invalid name: "constructor" is a reserved JavaScript keyword that could cause prototype pollution.',
    ],
  ];
  test.each(documents)("is read in its stride or refused: %s", async (_, document, detail) => {
    expect(await _detail(document())).toBe(detail);
  });

  test("of any shape is parsed or rejected without throwing", async () => {
    const piece = fc.constantFrom(
      ..."<item>|</item>|<title>|</title>|<a b='c'>|</a>|<link href='x'/>|<author>|</author>|<![CDATA[|]]>|<!--|-->|<?x|?>|<!D|[|]|>|<|&lt;|&#0;|\"|'|/|=|x|\0|\uD800|é|<guid>|</guid>|<length>9</length>|<pubDate>2020-01-01</pubDate>".split(
        "|",
      ),
    );
    const root = fc.constantFrom(
      ["<rss version='2.0'><channel>", "</channel></rss>"],
      ["<feed xmlns='http://www.w3.org/2005/Atom'><entry>", "</entry></feed>"],
      ["<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>", "</rdf:RDF>"],
      ["", ""],
    );
    await fc.assert(
      fc.asyncProperty(root, fc.array(piece, { maxLength: 40 }), async ([start, end], pieces) => {
        expect(await _detail(`${start}${pieces.join("")}${end}`)).toMatch(/items$|\.$/);
      }),
      { numRuns: 1000 },
    );
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (items) => {
        const document = JSON.stringify({ title: "T", items, authors: items });
        expect(await _detail(document)).toMatch(/items$|\.$/);
      }),
    );
  });
});
