import { describe, expect, test } from "bun:test";
import { decodeFeed } from "./decode-feed.ts";

function _ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

function _utf16(text: string, isBigEndian: boolean): number[] {
  return _ascii(text).flatMap((code) =>
    isBigEndian ? [code >> 8, code & 0xff] : [code & 0xff, code >> 8],
  );
}

function _declared(encoding: string, ...text: number[]): number[] {
  return [..._ascii(`<?xml version="1.0" encoding="${encoding}"?><rss>`), ...text];
}

function _decode(bytes: readonly number[], contentType?: string): string {
  return decodeFeed(Uint8Array.from(bytes), contentType).replace(/^<\?xml[^>]*\?>|<rss>/g, "");
}

const utf8 = [...new TextEncoder().encode("é日")];

describe("the charset is", () => {
  test("a byte order mark overrides every other declaration", () => {
    const label = "text/xml; charset=koi8-r";
    expect(_decode([0xef, 0xbb, 0xbf, ..._declared("iso-8859-1", ...utf8)], label)).toContain(
      "é日",
    );
    expect(_decode([0xff, 0xfe, ..._utf16("<é日>", false)], label)).toBe("<é日>");
    expect(_decode([0xfe, 0xff, ..._utf16("<é日>", true)], label)).toBe("<é日>");
  });

  test("then that of the content type", () => {
    const bytes = _declared("utf-8", 0xc4, 0xc1);
    expect(_decode(bytes, "text/xml; charset=koi8-r")).toContain("да");
    expect(_decode(bytes, 'text/xml;x=y;CHARSET = "KOI8-R" ; q=1')).toContain("да");
    expect(_decode(_utf16("<é日>", true), "text/xml; charset=utf-16be")).toBe("<é日>");
  });

  test.each([
    ["windows-1252", [0x80, 0xe9], "€é"],
    ["iso-8859-1", [0x80, 0xe9], "€é"],
    ["ISO-8859-15", [0xa4], "€"],
    ["windows-1251", [0xe4, 0xe0], "да"],
    ["koi8-r", [0xc4, 0xc1], "да"],
    ["shift_jis", [0x93, 0xfa, 0x96, 0x7b], "日本"],
    ["EUC-JP", [0xc6, 0xfc, 0xcb, 0xdc], "日本"],
    ["gb2312", [0xd6, 0xd0], "中"],
    ["GB18030", [0xd6, 0xd0, 0x81, 0x30, 0x81, 0x30], "中\u0080"],
    ["big5", [0xa4, 0xa4], "中"],
    ["euc-kr", [0xc7, 0xd1], "한"],
    ["utf-8", utf8, "é日"],
  ])("then that of the XML declaration: %s", (encoding, bytes, text) => {
    expect(_decode(_declared(encoding, ...bytes), "application/rss+xml")).toContain(text);
  });

  test("UTF-16 without a mark when every other byte of its beginning is zero", () => {
    for (const isBigEndian of [true, false]) {
      const bytes = _utf16('<?xml version="1.0" encoding="UTF-16"?><rss>é日', isBigEndian);
      expect(_decode(bytes, undefined)).toBe("é日");
      expect(_decode(bytes, "text/xml; charset=utf-16")).toBe("é日");
    }
  });

  test("not UTF-16 for what reads as ASCII", () => {
    expect(_decode(_declared("utf-16", ...utf8))).toContain("é日");
    expect(_decode(_declared("utf-8", ...utf8), "text/xml; charset=utf-16")).toContain("é日");
  });

  test("UTF-8 for what fits it, although a server or a template calls it Latin-1 or ASCII", () => {
    expect(_decode(_declared("utf-8", ...utf8), "text/xml; charset=iso-8859-1")).toContain("é日");
    expect(_decode(_declared("ISO-8859-1", ...utf8), "text/xml; charset=us-ascii")).toContain(
      "é日",
    );
  });

  test("UTF-8 when nothing tells", () => {
    expect(_decode(utf8)).toBe("é日");
    expect(_decode([..._ascii('{"title":"'), ...utf8], "application/feed+json")).toContain("é日");
    expect(decodeFeed(new Uint8Array(), undefined)).toBe("");
  });
});

describe("a broken character costs itself alone", () => {
  const cut = [...utf8, ...utf8, 0xc3, ..._ascii("...")];
  test.each([
    ["in UTF-8 behind a byte order mark", [0xef, 0xbb, 0xbf, ..._ascii("M"), 0xc3], "M\uFFFD"],
    ["in UTF-8 that is declared", _declared("utf-8", ...cut), "é日é日\uFFFD..."],
    ["in UTF-8 that nothing declares", cut, "é日é日\uFFFD..."],
    ["in UTF-8 that is called Latin-1", _declared("iso-8859-1", ...cut), "é日é日\uFFFD..."],
    ["in Shift_JIS", _declared("shift_jis", 0x93, 0xfa, 0x96, 0x7b, 0x93), "日本\uFFFD"],
    ["in UTF-16", [0xfe, 0xff, ..._utf16("<é日>", true), 0xd8], "<é日>\uFFFD"],
  ])("%s", (_, bytes, text) => expect(_decode(bytes)).toBe(text));
});

describe("a charset that is unknown or does not fit the bytes", () => {
  test("is followed by the next", () => {
    expect(_decode(_declared("koi8-r", 0xc4), "text/xml; charset=klingon")).toContain("д");
    expect(_decode(_declared("iso-8859-1", 0xe9), "text/xml; charset=utf-8")).toContain("é");
    expect(_decode(_declared("klingon", ...utf8))).toContain("é日");
    expect(_decode(_declared("us-ascii\u0000", ...utf8))).toContain("é日");
  });

  test("falls back to windows-1252", () => {
    expect(_decode(_declared("utf-8", 0x93, 0xe9, 0x94))).toContain("“é”");
    expect(_decode([0xe9], "text/xml; charset=utf-7")).toBe("é");
  });
});
