import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseJson, toStorableText } from "./json.ts";

function pointerOf(text: string) {
  const parsed = parseJson(text);
  return parsed.status === "unstorable" ? parsed.error.pointer : parsed.status;
}

test.each([
  ['{"a":"x\\u0000y"}', "/a"],
  ['["\\ud800"]', "/0"],
  ['{"\\udfff":1}', ""],
  ['{"a":{"__proto__":{"admin":true}}}', "/a/__proto__"],
  ['{"a/b":[0,{"~":9007199254740993}]}', "/a~1b/1/~0"],
  ["1e400", ""],
  ["[-9007199254740992]", "/0"],
])("%s cannot be stored, and the pointer says where", (text, pointer) => {
  expect(pointerOf(text)).toBe(pointer);
});

test.each(["", "{", "'a'", "{a:1}", "[1,]", "NaN", '"\\x"'])("%p is malformed", (text) => {
  expect(parseJson(text).status).toBe("malformed");
});

test("any depth of nesting is refused beyond 100 levels and crashes nothing", () => {
  expect(parseJson("[".repeat(100) + "]".repeat(100)).status).toBe("ok");
  expect(parseJson("[".repeat(101) + "]".repeat(101)).status).toBe("unstorable");
  expect(parseJson("[".repeat(1_000_000) + "]".repeat(1_000_000)).status).toBe("unstorable");
  expect(parseJson('{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)).status).toBe("unstorable");
});

test("what is accepted is what JSON.parse reads", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const parsed = parseJson(text);
      if (parsed.status === "ok") expect(parsed.value).toEqual(JSON.parse(text));
      else expect(text).toMatch(/\\u|__proto__|\d{16}|[eE]/);
    }),
  );
});

test("storable text stays as it is and any other becomes storable", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const stored = toStorableText(text);
      expect(stored.isWellFormed() && !stored.includes("\0")).toBe(true);
      if (text.isWellFormed() && !text.includes("\0")) expect(stored).toBe(text);
    }),
  );
  expect(toStorableText("a\0b\ud800")).toBe("a\uFFFDb\uFFFD");
});
