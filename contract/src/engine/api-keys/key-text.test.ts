import { expect, test } from "bun:test";
import { createKeyText, hashKey, keyIdIn } from "./key-text.ts";

test("a key carries its id, and no two are alike", () => {
  const [a, b] = [createKeyText(), createKeyText()];
  expect(a.text).toMatch(/^toril_[0-9a-z]{17}_[0-9a-f]{64}$/);
  expect(keyIdIn(a.text)).toBe(a.id);
  expect(a.id).not.toBe(b.id);
  expect(a.text.slice(-64)).not.toBe(b.text.slice(-64));
});

test("another secret for a key keeps its id", () => {
  const first = createKeyText();
  const second = createKeyText(first.id);
  expect(keyIdIn(second.text)).toBe(first.id);
  expect(second.text).not.toBe(first.text);
});

test.each(["", "toril", "toril_a_b", ` ${createKeyText().text}`, `${createKeyText().text}0`])(
  "%j is no key",
  (text) => {
    expect(keyIdIn(text)).toBeUndefined();
  },
);

test("the stored form of a key is SHA-256", async () => {
  expect(await hashKey("abc")).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});
