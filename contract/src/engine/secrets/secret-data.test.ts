import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { z } from "zod";
import {
  type FindSecretFields,
  createFindSecretFields,
  secret,
} from "../../api/job-data/secret-fields.ts";
import { createKeyRing, keyBytes, type SecretKey } from "./key-ring.ts";
import { openData, redactData, redactSealed, sealData } from "./secret-data.ts";

const schema = z.object({
  url: z.string(),
  token: secret(z.string()).optional(),
  logins: z.array(z.object({ user: z.string(), password: secret(z.unknown()) })).optional(),
});
const findSecrets = createFindSecretFields(schema) as FindSecretFields;
const owner = { id: "019c2f1e-7b1a-7c3d-8a4e-5f6071829304", type: "feed.fetch" };
const data = { url: "http://u", token: "swordfish" };

function _key(id: string): SecretKey {
  return { id, bytes: crypto.getRandomValues(new Uint8Array(keyBytes)) };
}

const [old, young] = [_key("2025b"), _key("2026a")];
const ring = createKeyRing([old]);

describe("encrypted data", () => {
  test("is decrypted to the original value", () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.array(value), (token, passwords) => {
        const logins = passwords.map((password) => ({ user: "u", password }));
        const input = JSON.parse(JSON.stringify({ url: "u", token, logins }));

        const sealed = sealData(input, owner, findSecrets, ring);

        expect(openData(sealed, owner, findSecrets, ring)).toEqual({ status: "ok", data: input });
      }),
    );
  });

  test("does not reveal that two secrets are equal", () => {
    const first = sealData(data, owner, findSecrets, ring) as typeof data;
    const second = sealData(data, owner, findSecrets, ring) as typeof data;

    expect(JSON.stringify(first)).not.toContain("swordfish");
    expect(first.url).toBe("http://u");
    expect(first.token).toMatch(/^sealed:1:2025b:[\w-]+$/);
    expect(first.token).not.toBe(second.token);
    expect(data.token).toBe("swordfish");
  });

  test("is decrypted after a rotation, and encrypted again with the new key", () => {
    const sealed = sealData(data, owner, findSecrets, ring);
    const rotated = createKeyRing([young, old]);

    expect(openData(sealed, owner, findSecrets, rotated)).toEqual({ status: "ok", data });
    expect(sealData(data, owner, findSecrets, rotated)).toMatchObject({
      token: expect.stringMatching(/^sealed:1:2026a:/),
    });
  });

  test("names the missing key", () => {
    const sealed = sealData(data, owner, findSecrets, ring);
    const missing = { status: "unknown-key", keyId: "2025b", pointer: "/token" } as const;

    expect(openData(sealed, owner, findSecrets, createKeyRing([young]))).toEqual(missing);
    expect(openData(sealed, owner, findSecrets, undefined)).toEqual(missing);
  });

  test("is not decrypted for another job, type or field, or with another key of the same id", () => {
    const two = { url: "u", logins: [1, 2].map((n) => ({ user: "u", password: `secret ${n}` })) };
    const sealed = sealData(two, owner, findSecrets, ring) as typeof two;
    const swapped = structuredClone(sealed);
    swapped.logins.reverse();
    const tampered = { status: "tampered", pointer: "/logins/0/password" } as const;

    expect(openData(swapped, owner, findSecrets, ring)).toEqual(tampered);
    expect(openData(sealed, { ...owner, id: crypto.randomUUID() }, findSecrets, ring)).toEqual(
      tampered,
    );
    expect(openData(sealed, { ...owner, type: "other" }, findSecrets, ring)).toEqual(tampered);
    const impostor = createKeyRing([_key("2025b")]);
    expect(openData(sealed, owner, findSecrets, impostor)).toEqual(tampered);
  });

  test("is not decrypted if any character is changed or removed", () => {
    const { token } = sealData(data, owner, findSecrets, ring) as typeof data;
    const start = token.lastIndexOf(":") + 1;
    for (let at = start; at < token.length - 1; at += 1) {
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      for (const altered of [changed, token.slice(0, at)]) {
        const opened = openData({ ...data, token: altered }, owner, findSecrets, ring);
        expect(opened).toEqual({ status: "tampered", pointer: "/token" });
      }
    }
  });

  test("may contain plain values from before the field was secret", () => {
    expect(openData(data, owner, findSecrets, ring)).toEqual({ status: "ok", data });
  });
});

describe("redacted data", () => {
  test("contains no secret, encrypted or not", () => {
    const shown = { url: "http://u", token: "[secret]" };

    expect(redactData(data, findSecrets)).toEqual(shown);
    expect(redactData(sealData(data, owner, findSecrets, ring), findSecrets)).toEqual(shown);
    expect(redactData({ url: "http://u" }, findSecrets)).toEqual({ url: "http://u" });
  });

  test("contains no encrypted value at any depth", () => {
    const sealed = sealData(data, owner, findSecrets, ring);

    expect(redactSealed([{ deep: sealed, n: 1, none: null }, "text"])).toEqual([
      { deep: { url: "http://u", token: "[secret]" }, n: 1, none: null },
      "text",
    ]);
  });
});

describe("digests", () => {
  test("are one per key: equal for equal texts, and different for different keys", () => {
    const rotated = createKeyRing([young, old]);
    const [now, before] = rotated.digests("guess");

    expect(ring.digests("guess")).toEqual([before as string]);
    expect(now).not.toBe(before as string);
    expect(ring.digests("guesses")).not.toEqual([before as string]);
  });
});
