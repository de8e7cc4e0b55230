import { describe, expect, test } from "bun:test";
import { FeedItem } from "../../api/feeds/feed-item.ts";
import { parseFeed, type ParsedFeed } from "./parse-feed.ts";

async function _parse(document: string | Uint8Array, contentType?: string): Promise<ParsedFeed> {
  const bytes = typeof document === "string" ? new TextEncoder().encode(document) : document;
  const parsed = parseFeed(bytes, { contentType, source: "test" });
  if (parsed.status === "ok") {
    for (const item of parsed.items) expect(FeedItem.parse(item)).toEqual(item);
  }
  return parsed;
}

async function _items(document: string): Promise<FeedItem[]> {
  const parsed = await _parse(document);
  if (parsed.status === "invalid") throw new Error(parsed.detail);
  return parsed.items;
}

function _rss(items: string, root = '<rss version="2.0">'): string {
  return `${root}<channel><title>T</title><link>https://example.org/blog/</link>${items}</channel></rss>`;
}

async function _rssItem(inside: string): Promise<FeedItem> {
  const [item] = await _items(_rss(`<item>${inside}</item>`));
  if (!item) throw new Error("no item");
  return item;
}

function _atom(inside: string, root = '<feed xmlns="http://www.w3.org/2005/Atom">'): string {
  return `${root}<title>T</title><link href="https://example.org/blog/"/>${inside}</feed>`;
}

async function _entry(inside: string): Promise<FeedItem> {
  const [item] = await _items(_atom(`<entry>${inside}</entry>`));
  if (!item) throw new Error("no entry");
  return item;
}

function _rdf(items: string): string {
  return `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel><title>T</title><link>https://example.org/blog/</link></channel>${items}</rdf:RDF>`;
}

async function _detail(document: string | Uint8Array): Promise<string> {
  const parsed = await _parse(document);
  return parsed.status === "invalid" ? parsed.detail : `${parsed.items.length} items`;
}

const blank = {
  source: "test",
  title: null,
  link: null,
  author: null,
  publishedAt: null,
  summary: null,
  content: null,
  categories: [],
};

describe("a document that is not a feed is refused", () => {
  test.each([
    ["", "The document is empty."],
    [" \r\n\uFEFF ", "The document is empty."],
    ["hello", "The document is neither XML nor JSON."],
    ["1 < 2", "The document is neither XML nor JSON."],
    ["%PDF-1.7 \u0000\u0001 <<", "The document is neither XML nor JSON."],
    ["<!DOCTYPE html><html><head><title>x</title>", "The document is an HTML page, not a feed."],
    ["<!-- x --><HTML lang='en'></HTML>", "The document is an HTML page, not a feed."],
    ["<opml version='2.0'></opml>", "The document is not a feed: its root is <opml>."],
    ["<svg:svg/>", "The document is not a feed: its root is <svg:svg>."],
    ["<rss version='2.0'/>", "The feed is cut off: </rss> is missing."],
    ["<rss version='2.0'></rss>", "The feed has neither a title nor items."],
    ["<feed></feed>", "The feed has neither a title nor items."],
    ["<rss version='2.0'><channel><item><title>x", "The feed is cut off: </rss> is missing."],
    ["<rss><channel><title>x</title></channel></rss", "The document ends within a closing tag."],
    ["<rss><channel><!-- </channel></rss>", "The document ends within a comment."],
    ["<rss><channel><![CDATA[ </channel></rss>", "The document ends within a CDATA section."],
    ["<rss><channel><a b='></a></channel></rss>", "The document ends within a tag."],
    ["<!DOCTYPE rss [<!ENTITY a 'b'>", "The document ends within a declaration."],
    ["<?xml version='1.0'", "The document ends within a processing instruction."],
    ["{", "The document is neither XML nor valid JSON."],
    ['{"title":"x"}', "The document is JSON, but not a JSON Feed."],
    ["[]", "The document is JSON, but not a JSON Feed."],
    [
      '{"version":"https://jsonfeed.org/version/1.1"}',
      "The document is JSON, but not a JSON Feed.",
    ],
  ])("%j", async (document, detail) => {
    expect(await _detail(document)).toBe(detail);
  });
});

describe("every kind of feed is read", () => {
  const rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"';
  const dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"';
  const documents: [string, string, string][] = [
    [
      "RSS 0.90",
      "rdf",
      `<?xml version="1.0"?><rdf:RDF ${rdf} xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel><title>T</title></channel><item><title>One</title><link>https://example.org/1</link></item></rdf:RDF>`,
    ],
    [
      "RSS 0.90 with prefixes",
      "rdf",
      `<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:n="http://channel.netscape.com/rdf/simple/0.9/"><n:channel><n:title>T</n:title></n:channel><n:item><n:title>One</n:title><n:link>https://example.org/1</n:link></n:item></r:RDF>`,
    ],
    [
      "RSS 0.91",
      "rss",
      `<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">\n<rss version="0.91"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link></item></channel></rss>`,
    ],
    [
      "RSS 0.91 with items outside of the channel",
      "rss",
      `<rss version="0.91"><channel><title>T</title></channel><item><title>One</title><link>https://example.org/1</link></item></rss>`,
    ],
    [
      "RSS 0.92",
      "rss",
      `<rss version="0.92"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link><source url="https://example.org/x">x</source></item></channel></rss>`,
    ],
    [
      "RSS 1.0",
      "rdf",
      `<rdf:RDF ${rdf} xmlns="http://purl.org/rss/1.0/"><channel rdf:about="https://example.org/"><title>T</title><items><rdf:Seq><rdf:li rdf:resource="https://example.org/1"/></rdf:Seq></items></channel><item rdf:about="https://example.org/1"><title>One</title><link>https://example.org/1</link></item></rdf:RDF>`,
    ],
    [
      "RSS 1.0 with prefixes",
      "rdf",
      `<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:rss="http://purl.org/rss/1.0/"><rss:channel about="https://example.org/"><rss:title>T</rss:title></rss:channel><rss:item about="https://example.org/1"><rss:title>One</rss:title><rss:link>https://example.org/1</rss:link></rss:item></RDF>`,
    ],
    [
      "RSS 2.0",
      "rss",
      `<rss version="2.0" ${dc}><channel><title>T</title><item><title>One</title><guid>https://example.org/1</guid></item></channel></rss>`,
    ],
    [
      "RSS 2.0 in capitals",
      "rss",
      `<RSS VERSION="2.0"><CHANNEL><Title>T</Title><ITEM><Title>One</Title><GUID>https://example.org/1</GUID></ITEM></CHANNEL></RSS>`,
    ],
    [
      "RSS 2.0 in a namespace of its own",
      "rss",
      `<rss xmlns="http://backend.userland.com/rss2" version="2.0"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link></item></channel></rss>`,
    ],
    [
      "RSS 2.0 in the namespace of RSS 1.0",
      "rss",
      `<rss version="2.0" xmlns='http://purl.org/rss/1.0/'><channel><title>T</title><item><title>One</title><link>https://example.org/1</link></item></channel></rss>`,
    ],
    [
      "RSS 2.0 in the namespace of Atom",
      "rss",
      `<rss version="2.0" xmlns="http://www.w3.org/2005/Atom"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link></item></channel></rss>`,
    ],
    [
      "RSS 2.0 between things that do not belong there",
      "rss",
      `\n\n<?xml version="1.0"?><!-- <html> --><?php echo ?><rss version="2.0"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link></item></channel></rss><!-- cached --><script>1 < 2</script>`,
    ],
    [
      "RSS 2.0 with another feed in it",
      "rss",
      `<rss version="2.0"><channel><title>T</title><item><title>One</title><link>https://example.org/1</link><description><![CDATA[ <feed xmlns="http://www.w3.org/2005/Atom"> <rdf:RDF> ]]></description></item></channel></rss>`,
    ],
    [
      "Atom 0.3",
      "atom",
      `<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>T</title><entry><title>One</title><id>https://example.org/1</id><link rel="alternate" type="text/html" href="https://example.org/1"/></entry></feed>`,
    ],
    [
      "Atom 0.3 with prefixes",
      "atom",
      `<a:feed version="0.3" xmlns:a="http://purl.org/atom/ns#"><a:title>T</a:title><a:entry><a:title>One</a:title><a:id>https://example.org/1</a:id><a:link rel="alternate" href="https://example.org/1"/></a:entry></a:feed>`,
    ],
    [
      "Atom 1.0",
      "atom",
      `<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><title>One</title><id>https://example.org/1</id><link href="https://example.org/1"/></entry></feed>`,
    ],
    [
      "Atom 1.0 with prefixes",
      "atom",
      `<atom:feed xmlns:atom="http://www.w3.org/2005/Atom"><atom:title>T</atom:title><atom:entry><atom:title>One</atom:title><atom:id>https://example.org/1</atom:id><atom:link href="https://example.org/1"/></atom:entry></atom:feed>`,
    ],
    [
      "Atom 1.0 with another feed in it",
      "atom",
      `<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><title>One</title><id>https://example.org/1</id><link href="https://example.org/1"/><content type="text"><![CDATA[ <rss version="2.0"> <channel> ]]></content></entry></feed>`,
    ],
    [
      "JSON Feed 1.0",
      "json",
      `{"version":"https://jsonfeed.org/version/1","title":"T","items":[{"id":"https://example.org/1","url":"https://example.org/1","title":"One"}]}`,
    ],
    [
      "JSON Feed 1.1",
      "json",
      `\n{"version":"https://jsonfeed.org/version/1.1","title":"T","items":[{"id":"https://example.org/1","url":"https://example.org/1","title":"One"}]}`,
    ],
  ];
  test.each(documents)("%s", async (_, format, document) => {
    const parsed = await _parse(document);
    expect(parsed).toMatchObject({ status: "ok", format, title: "T" });
    const [item, ...rest] = parsed.status === "ok" ? parsed.items : [];
    const { guid, title, link } = item ?? {};
    expect({ guid, title, link, rest }).toEqual({
      guid: "https://example.org/1",
      title: "One",
      link: "https://example.org/1",
      rest: [],
    });
  });

  test("and one without items has none", async () => {
    expect(await _items(_rss(""))).toEqual([]);
    expect(await _items(_atom(""))).toEqual([]);
  });
});

describe("an item has everything its feed tells", () => {
  test("in RSS", async () => {
    const root =
      '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:d="http://purl.org/dc/elements/1.1/">';
    const [item] = await _items(
      _rss(
        `<item><title>One</title><link>/1</link><guid isPermaLink="false">id-1</guid>
        <author>ann@example.org (Ann)</author><d:creator>Ben &amp; Co</d:creator>
        <pubDate>Mon, 06 Sep 2009 16:20:00 +0000</pubDate><description>&lt;p&gt;short&lt;/p&gt;</description>
        <content:encoded><![CDATA[<p>long</p>]]></content:encoded>
        <category domain="x">News</category><category>News</category><d:subject>Bulls</d:subject></item>`,
        root,
      ),
    );
    expect(item).toEqual({
      source: "test",
      guid: "id-1",
      title: "One",
      link: "https://example.org/1",
      author: "Ann, Ben & Co",
      publishedAt: "2009-09-06T16:20:00.000Z",
      summary: "<p>short</p>",
      content: "<p>long</p>",
      categories: ["News", "Bulls"],
    });
  });

  test("in RSS 1.0", async () => {
    const [item] = await _items(
      `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
      <channel><title>T</title><link>https://example.org/blog/</link></channel>
      <item rdf:about="urn:1"><title>One</title><link>1</link><description>short</description>
      <dc:creator>Ann</dc:creator><dc:date>2009-09-06T16:20Z</dc:date><dc:subject>News</dc:subject></item></rdf:RDF>`,
    );
    expect(item).toEqual({
      source: "test",
      guid: "urn:1",
      title: "One",
      link: "https://example.org/blog/1",
      author: "Ann",
      publishedAt: "2009-09-06T16:20:00.000Z",
      summary: "short",
      content: null,
      categories: ["News"],
    });
  });

  test("in Atom", async () => {
    const item = await _entry(
      `<id>urn:1</id><title type="html">One &amp;amp; &lt;b&gt;two&lt;/b&gt;</title>
      <link rel="enclosure" href="1.mp3"/><link rel="alternate" type="application/json" href="1.json"/>
      <link rel="alternate" type="text/html" href="1.html"/><link rel="self" href="1.xml"/>
      <author><name>Ann</name><email>ann@example.org</email></author><author><name>Ben</name></author>
      <published>2009-09-06T16:20:00Z</published><updated>2010-01-01T00:00:00Z</updated>
      <summary>short</summary><category term="n" label="News"/><category term="bulls"/>
      <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>long &amp; wide</p></div></content>`,
    );
    expect(item).toEqual({
      source: "test",
      guid: "urn:1",
      title: "One & two",
      link: "https://example.org/blog/1.html",
      author: "Ann, Ben",
      publishedAt: "2009-09-06T16:20:00.000Z",
      summary: "short",
      content: "<p>long &amp; wide</p>",
      categories: ["News", "bulls"],
    });
  });

  test("in Atom 0.3", async () => {
    const [item] = await _items(
      `<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>T</title><author><name>Ann</name></author>
      <entry><id>urn:1</id><title mode="escaped" type="text/html">&lt;i&gt;One&lt;/i&gt;</title>
      <issued>2003-12-13T08:29:29-04:00</issued><modified>2003-12-14T00:00:00Z</modified>
      <content type="text/html" mode="escaped">&lt;p&gt;long&lt;/p&gt;</content></entry></feed>`,
    );
    expect(item).toEqual({
      ...blank,
      guid: "urn:1",
      title: "One",
      author: "Ann",
      publishedAt: "2003-12-13T12:29:29.000Z",
      content: "<p>long</p>",
    });
  });

  test("in JSON Feed", async () => {
    const [item] = await _items(
      JSON.stringify({
        version: "https://jsonfeed.org/version/1.1",
        title: "T",
        home_page_url: "https://example.org/blog/",
        authors: [{ name: "Ann" }],
        items: [
          {
            id: 1,
            url: "1.html",
            title: "1 < 2 &amp; <b>",
            summary: "short",
            content_html: "<p>long</p>",
            date_published: "2009-09-06T16:20:00Z",
            tags: ["News", "News"],
          },
        ],
      }),
    );
    expect(item).toEqual({
      source: "test",
      guid: "1",
      title: "1 < 2 &amp; <b>",
      link: "https://example.org/blog/1.html",
      author: "Ann",
      publishedAt: "2009-09-06T16:20:00.000Z",
      summary: "short",
      content: "<p>long</p>",
      categories: ["News"],
    });
  });
});

describe("a title", () => {
  test.each([
    ["Tom &amp; Jerry", "Tom & Jerry"],
    ["Tom &amp;amp; Jerry", "Tom & Jerry"],
    ["<![CDATA[Tom & Jerry]]>", "Tom & Jerry"],
    ["<![CDATA[Tom &#38; Jerry &#8211; &quot;x&quot;]]>", 'Tom & Jerry – "x"'],
    ["caf&eacute; &#233; &#xe9;", "café é é"],
    ["a &lt;b&gt;bold&lt;/b&gt; one", "a bold one"],
    ["a <b>bold</b><br/> one", "a bold one"],
    ["1 &lt; 2 &gt; 0", "1 < 2 > 0"],
    ["1 < 2", "1 < 2"],
    ["I <3 you", "I <3 you"],
    ["the &lt;video&gt; element", "the <video> element"],
    ["<!-- no -->one<!-- no -->", "one"],
    ["\n two\t\t lines \n", "two lines"],
    ["&unknown; &", "&unknown; &"],
    ["&#x110000; &#0; &#xd800;", "&#x110000; &#0; &#xd800;"],
  ])("%j reads %j", async (raw, title) => {
    const normalised = (text: string | null) => text?.replaceAll("\uFFFD", "?") ?? null;
    const expected = raw.startsWith("&#x110000") ? "? ? ?" : title;
    expect(normalised((await _rssItem(`<title>${raw}</title>`)).title)).toBe(expected);
  });

  test("of Atom without a type is plain text", async () => {
    const { title } = await _entry("<id>1</id><title>1 &lt;b&gt; &amp;amp; 2</title>");
    expect(title).toBe("1 <b> &amp; 2");
  });
});

describe("an item without the usual fields is read", () => {
  const media = 'xmlns:media="http://search.yahoo.com/mrss/"';

  test("and distinguished by its markup when it has only unknown extensions", async () => {
    const point = (value: number) => `<item><q:z xmlns:q="urn:q">${value}</q:z></item>`;
    const items = await _items(_rss(point(1) + point(2) + point(1) + "<item></item><item/>"));
    expect(items).toEqual([
      { ...blank, guid: expect.stringMatching(/^sha256:/) },
      { ...blank, guid: expect.stringMatching(/^sha256:/) },
    ]);
    expect((await _items(_rss(point(1))))[0]?.guid).toBe(items[0]?.guid ?? "");
  });

  test("when it has only a body", async () => {
    const body = "<content:encoded>x</content:encoded>";
    expect(await _rssItem(body)).toMatchObject({ title: null, content: "x" });
  });

  test.each([
    ["dc:description", "<dc:description>said</dc:description>"],
    ["media:description", `<media:description ${media}>said</media:description>`],
    [
      "media:description in a group",
      `<media:group ${media}><media:description>said</media:description></media:group>`,
    ],
  ])("with %s as its summary", async (_, inside) => {
    expect((await _rssItem(inside)).summary).toBe("said");
    expect((await _entry(`<id>1</id>${inside}`)).summary).toBe("said");
    expect(await _items(_rdf(`<item>${inside}</item>`))).toMatchObject([{ summary: "said" }]);
    expect((await _rssItem(`${inside}<description>own</description>`)).summary).toBe("own");
  });

  test("with its enclosure as its link", async () => {
    expect((await _rssItem('<enclosure url="/1.mp3" length="1" type="audio/mpeg"/>')).link).toBe(
      "https://example.org/1.mp3",
    );
    expect((await _entry('<id>1</id><link rel="enclosure" href="1.mp3"/>')).link).toBe(
      "https://example.org/blog/1.mp3",
    );
    const json = {
      version: "https://jsonfeed.org/version/1.1",
      title: "T",
      home_page_url: "https://example.org/",
      items: [{ id: "1", attachments: [{ url: "1.mp3", mime_type: "audio/mpeg" }] }],
    };
    expect((await _items(JSON.stringify(json)))[0]?.link).toBe("https://example.org/1.mp3");
  });
});

test("a numeric reference to 128-159 is a character of windows-1252 in every context", async () => {
  const text = "it&#146;s &#x80;1";
  const item = await _rssItem(
    `<title>${text}</title><description>${text}</description><category>${text}</category>`,
  );
  expect(item).toMatchObject({
    title: "it’s €1",
    summary: "it’s €1",
    categories: ["it’s €1"],
  });
  const escaped = `<title><![CDATA[${text}]]></title>`;
  expect((await _rssItem(escaped)).title).toBe("it’s €1");
  const entry = `<id>1</id><title>x</title><category term="${text}"/>`;
  expect((await _entry(entry)).categories).toEqual(["it’s €1"]);
});

describe("a link", () => {
  test("is resolved against the xml:base of its item, of its feed, or the feed's own link", async () => {
    const based = '<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://other.org/a/">';
    const entries =
      '<entry><id>1</id><link href="x"/></entry><entry xml:base="b/"><id>2</id><link href="x"/></entry>';
    const links = async (document: string) => (await _items(document)).map(({ link }) => link);
    expect(await links(_atom(entries, based))).toEqual([
      "https://other.org/a/x",
      "https://other.org/a/b/x",
    ]);
    expect(await links(_atom(entries))).toEqual([
      "https://example.org/blog/x",
      "https://example.org/blog/b/x",
    ]);
  });

  test("is left as it is when it is absolute, or there is nothing to resolve it against", async () => {
    expect((await _rssItem("<link>HTTP://Example.org:80/%7e?a=b&amp;c</link>")).link).toBe(
      "HTTP://Example.org:80/%7e?a=b&c",
    );
    expect((await _rssItem("<link>magnet:?xt=1</link>")).link).toBe("magnet:?xt=1");
    const [item] = await _items(
      '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><link href="x"/></entry></feed>',
    );
    expect(item?.link).toBe("x");
  });

  test("is resolved against where the feed was retrieved rather than the feed's own link", async () => {
    const url = "https://feeds.example/a/feed.xml";
    const json = {
      version: "https://jsonfeed.org/version/1.1",
      home_page_url: "https://example.org/",
      items: [{ id: "1", url: "x" }],
    };
    for (const document of [
      _rss("<item><link>x</link></item>"),
      _atom('<entry><id>1</id><link href="x"/></entry>'),
      _rdf("<item><link>x</link></item>"),
      JSON.stringify(json),
    ]) {
      const parsed = parseFeed(new TextEncoder().encode(document), { source: "test", url });
      expect(parsed).toMatchObject({ items: [{ link: "https://feeds.example/a/x" }] });
    }
  });

  test("that a browser would execute is omitted", async () => {
    for (const link of [
      "javascript:alert(1)",
      " JavaScript:alert(1)",
      "data:text/html,x",
      "java\nscript:alert(1)",
    ]) {
      expect((await _rssItem(`<title>x</title><link>${link}</link>`)).link).toBeNull();
    }
  });

  test("of an RSS item may be its guid, unless that says otherwise", async () => {
    expect((await _rssItem("<guid>https://example.org/1</guid>")).link).toBe(
      "https://example.org/1",
    );
    expect(
      (await _rssItem('<guid isPermaLink="false">https://example.org/1</guid>')).link,
    ).toBeNull();
    expect((await _rssItem("<guid>1</guid>")).link).toBeNull();
  });
});

describe("an author", () => {
  test.each([
    ["<author>ann@example.org (Ann A.)</author>", "Ann A."],
    ["<author>Ann A. &lt;ann@example.org&gt;</author>", "Ann A."],
    ["<author>ann@example.org</author>", "ann@example.org"],
    ["<author>mailto:ann@example.org</author>", "ann@example.org"],
    ["<author>Ann (the writer)</author>", "Ann (the writer)"],
    ["<author>ann@example.org</author><dc:creator>Ann</dc:creator>", "Ann"],
    ["<author>ann@example.org (Ann)</author><dc:creator>Ann</dc:creator>", "Ann"],
    ["<dc:creator>Ann</dc:creator><dc:creator>Ben</dc:creator>", "Ann, Ben"],
    ["<author><name>Ann</name><email>ann@example.org</email></author>", "Ann"],
  ])("%s is %j", async (raw, author) => {
    expect((await _rssItem(`<title>x</title>${raw}`)).author).toBe(author);
  });
});

describe("a guid", () => {
  test("is the item's own, else its link, else a hash of its content", async () => {
    const own = "<guid>id-1</guid><link>https://example.org/1</link>";
    expect((await _rssItem(own)).guid).toBe("id-1");
    expect((await _rssItem("<guid> </guid><link>/1</link>")).guid).toBe("https://example.org/1");
    expect((await _rssItem("<title>x</title>")).guid).toMatch(/^sha256:[\da-f]{64}$/);
  });

  test("made from the content of an item is the same in every import, and changes with the content", async () => {
    const guids = await Promise.all(
      [
        "<title>x</title><description>y</description>",
        "<description>y</description>  <title><![CDATA[x]]></title>",
        "<title>x</title><description>z</description>",
        "<title>xy</title>",
        "<pubDate>never</pubDate>",
      ].map(async (inside) => (await _rssItem(inside)).guid),
    );
    expect(guids[0]).toBe(guids[1] ?? "");
    expect(new Set(guids).size).toBe(4);
  });

  test("of more than 500 bytes is a hash of itself", async () => {
    const longest = "é".repeat(250);
    expect((await _rssItem(`<guid>${longest}</guid>`)).guid).toBe(longest);
    const { guid } = await _rssItem(`<guid>${longest}x</guid>`);
    expect(guid).toMatch(/^sha256:[\da-f]{64}$/);
    expect((await _rssItem(`<title>new</title><guid>${longest}x</guid>`)).guid).toBe(guid);
    expect((await _rssItem(`<guid>${longest}y</guid>`)).guid).not.toBe(guid);
    const { link } = await _rssItem(`<link>https://example.org/${longest}</link>`);
    expect(link).toBe(`https://example.org/${longest}`);
  });

  test("that several items share keeps the one updated last, else the last", async () => {
    const titles = async (document: string) => (await _items(document)).map(({ title }) => title);
    const at = (date: string) => `<pubDate>${date}</pubDate>`;
    const item = (title: string, rest = "") =>
      `<item><guid>1</guid><title>${title}</title>${rest}</item>`;
    expect(await titles(_rss(item("a") + item("b")))).toEqual(["b"]);
    expect(await titles(_rss(item("a", at("2020-01-02")) + item("b", at("2020-01-01"))))).toEqual([
      "a",
    ]);
    expect(await titles(_rss(item("a", at("2020-01-01")) + item("b", at("2020-01-01"))))).toEqual([
      "b",
    ]);
    expect(await titles(_rss(item("a", at("2020-01-01")) + item("b")))).toEqual(["a"]);
    const entry = (title: string, updated: string) =>
      `<entry><id>1</id><title>${title}</title><published>2020-01-01</published><updated>${updated}</updated></entry>`;
    expect(await titles(_atom(entry("a", "2020-02-02") + entry("b", "2020-02-01")))).toEqual(["a"]);
  });
});

describe("text that Postgres refuses", () => {
  test("is removed from every text", async () => {
    const bad = "a\0b\uD800c\uDC00d😀";
    const [item] = await _items(
      JSON.stringify({
        version: "https://jsonfeed.org/version/1.1",
        title: "T",
        items: [
          {
            id: bad,
            title: bad,
            summary: bad,
            content_text: bad,
            tags: [bad, "\0"],
            authors: [{ name: bad }],
          },
        ],
      }),
    );
    expect(item).toMatchObject({
      guid: "abcd😀",
      title: "abcd😀",
      summary: "abcd😀",
      content: "abcd😀",
      author: "abcd😀",
      categories: ["abcd😀"],
    });
    expect((await _rssItem(`<title>a\0b</title><guid>\0</guid><link>x\0y</link>`)).guid).toBe(
      "https://example.org/blog/xy",
    );
  });

  test("includes years beyond four digits, and dates that are none", async () => {
    for (const date of ["+012009-01-01T00:00:00Z", "soon", "0000-01-01"]) {
      expect((await _rssItem(`<title>x</title><pubDate>${date}</pubDate>`)).publishedAt).toBeNull();
    }
    expect(
      (await _rssItem("<pubDate>soon</pubDate><dc:date>2009-01-01</dc:date>")).publishedAt,
    ).toBe("2009-01-01T00:00:00.000Z");
  });
});
