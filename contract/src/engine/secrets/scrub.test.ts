import { describe, expect, test } from "bun:test";
import { z } from "zod";
import {
  type FindSecretFields,
  createFindSecretFields,
  secret,
} from "../../api/job-data/secret-fields.ts";
import { createScrub, type Scrub } from "./scrub.ts";

const schema = z.object({ token: secret(z.unknown()), name: z.string().optional() });
const findSecrets = createFindSecretFields(schema) as FindSecretFields;

function _scrub(token: unknown): Scrub {
  return createScrub({ token, name: "open" }, findSecrets) as Scrub;
}

describe("a scrub", () => {
  test("is undefined for data without a secret", () => {
    expect(createScrub({ name: "open" }, findSecrets)).toBeUndefined();
    expect(createScrub({ token: true }, findSecrets)).toBeUndefined();
  });

  test("removes a secret in every encoding, and nothing else", () => {
    const token = 'pass "word" ä/1';
    const scrub = _scrub(token);
    const spelt = [
      token,
      JSON.stringify({ token }),
      `http://host/?t=${encodeURIComponent(token)}`,
      btoa(String.fromCodePoint(...new TextEncoder().encode(token))),
    ];

    for (const text of spelt) {
      const scrubbed = scrub.text(`before ${text} after open`);
      expect(scrubbed).toContain("[secret]");
      expect(scrubbed).toStartWith("before ");
      expect(scrubbed).toEndWith(" after open");
      expect(scrubbed).not.toContain("pass");
    }
  });

  test("removes the credentials of a header without their scheme", () => {
    expect(_scrub("Bearer abcdefgh12345678").text("bad token abcdefgh12345678")).toBe(
      "bad token [secret]",
    );
  });

  test("removes every part of a secret that is an object, including numbers", () => {
    const scrub = _scrub({ user: "alice", pins: [12_345, 7] });

    expect(scrub.text("alice has 12345 and 7")).toBe("[secret] has [secret] and 7");
    expect(scrub.value({ a: 12_345, b: 7 })).toEqual({ a: "[secret]", b: 7 });
  });

  test("ignores secrets that are too short", () => {
    expect(createScrub({ token: "a" }, findSecrets)).toBeUndefined();
  });

  test("scrubs nested values: names, lists, errors and objects with toJSON", () => {
    const scrub = _scrub("swordfish");
    const error = Object.assign(new TypeError("it was swordfish"), { code: "E_swordfish" });
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;

    expect(
      scrub.value({
        swordfish: ["x swordfish"],
        at: new Date(0),
        url: new URL("http://swordfish/"),
      }),
    ).toEqual({
      "[secret]": ["x [secret]"],
      at: "1970-01-01T00:00:00.000Z",
      url: "http://[secret]/",
    });
    expect(scrub.value(error)).toMatchObject({
      name: "TypeError",
      message: "it was [secret]",
      code: "E_[secret]",
      stack: expect.not.stringContaining("swordfish"),
    });
    expect(JSON.stringify(scrub.value(loop))).toContain("[too deep]");
  });
});
