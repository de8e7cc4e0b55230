import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseJson, toStorableText } from "./json.ts";
import { beginScan, scanJson } from "./json-scan.ts";

const utf8 = new TextEncoder();
const parse = (text: string) => parseJson(utf8.encode(text));

function getPointer(text: string) {
  const parsed = parse(text);
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
  ['{"a":1,"b":{"c":[{},{"d":"}\\"","\\u0064":2}]}}', "/b/c/1/d"],
  ['{"":1,"":1}', "/"],
])("%s cannot be stored, and the pointer says where", (text, pointer) => {
  expect(getPointer(text)).toBe(pointer);
});

test.each(["", "{", "'a'", "{a:1}", "[1,]", "NaN", '"\\x"', '"\\', "[1}", "1,2", "{}]"])(
  "%p is malformed",
  (text) => expect(parse(text).status).toBe("malformed"),
);

test("numbers are parsed as doubles: rounding is accepted, and -0 becomes 0", () => {
  const parsed = parse("[0.1234567890123456789,1e-400,-0,1.0,9007199254740991]");
  expect(parsed.status === "ok" && JSON.stringify(parsed.value)).toBe(
    "[0.12345678901234568,0,0,1,9007199254740991]",
  );
});

test("a byte order mark is skipped at the start only", () => {
  expect(parse('\uFEFF{"a":1}')).toEqual({ status: "ok", value: { a: 1 } });
  expect(parse('{"a":\uFEFF1}').status).toBe("malformed");
});

test("a scan in steps of any length has the same counts as one scan, and the right ones", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.integer({ min: 1, max: 9 }), (text, step) => {
      const bytes = utf8.encode(text);
      const whole = beginScan(0);
      expect(scanJson(whole, bytes, bytes.length)).toBe(false);
      const stepped = beginScan(0);
      while (stepped.at < bytes.length) {
        scanJson(stepped, bytes, Math.min(stepped.at + step, bytes.length));
      }
      expect(stepped).toEqual(whole);
      expect(whole).toMatchObject({ open: 0, isInString: false });
      const members = { count: 0 };
      JSON.parse(text, (key, value: unknown) => {
        if (typeof value === "object" && value !== null && !Array.isArray(value)) {
          members.count += Object.keys(value).length;
        }
        return key === "__proto__" ? undefined : value;
      });
      if (!/__proto__/.test(text)) expect(whole.members).toBe(members.count);
    }),
  );
});

test("nesting beyond 100 levels is refused at any depth without a crash", () => {
  expect(parse("[".repeat(100) + "]".repeat(100)).status).toBe("ok");
  expect(parse("[".repeat(101) + "]".repeat(101)).status).toBe("unstorable");
  expect(parse("[".repeat(1_000_000)).status).toBe("malformed");
  expect(parse("[".repeat(1_000_000) + "]".repeat(1_000_000)).status).toBe("unstorable");
  expect(parse('{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)).status).toBe("unstorable");
});

test("values and members are counted before parsing", () => {
  const members = (count: number) =>
    `{${Array.from({ length: count }, (_, n) => `"${n}":"{,:"`).join()}}`;
  expect(parse(`[${"0,".repeat(99_997)}0]`).status).toBe("ok");
  expect(parse(`[${"0,".repeat(100_000)}0]`)).toMatchObject({
    error: { pointer: "", detail: "More than 100000 values." },
  });
  expect(parse(members(10_000)).status).toBe("ok");
  expect(parse(members(10_001))).toMatchObject({
    error: { pointer: "", detail: "More than 10000 members of objects." },
  });
});

test("accepted JSON has the value that JSON.parse returns", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const parsed = parse(text);
      if (parsed.status === "ok") expect(parsed.value).toEqual(JSON.parse(text));
      else expect(text).toMatch(/\\u|__proto__|\d{16}|[eE]/);
    }),
  );
});

test("storable text is unchanged, and other text becomes storable", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const stored = toStorableText(text);
      expect(stored.isWellFormed() && !stored.includes("\0")).toBe(true);
      if (text.isWellFormed() && !text.includes("\0")) expect(stored).toBe(text);
    }),
  );
  expect(toStorableText("a\0b\ud800")).toBe("a\uFFFDb\uFFFD");
});
