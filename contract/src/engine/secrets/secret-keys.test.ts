import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { ConfigError, loadEnv } from "../config/config.ts";
import { secretKeysField } from "./secret-keys.ts";

const schema = z.object({ SECRET_KEYS: secretKeysField.optional() });
const [one, two] = ["A", "/"].map((char) => `${char.repeat(43)}=`) as [string, string];

function _load(text: string) {
  return loadEnv(schema, { SECRET_KEYS: text }, () => "").SECRET_KEYS;
}

describe("SECRET_KEYS", () => {
  test("is an ordered list of ids and keys", () => {
    const keys = _load(`2026a:${one}, 2025b:${two}`);

    expect(keys?.map((key) => key.id)).toEqual(["2026a", "2025b"]);
    expect(keys?.[0].bytes).toEqual(new Uint8Array(32));
    expect(keys?.[1]?.bytes).toEqual(new Uint8Array(32).fill(255));
  });

  test("can be read from a file with one key per line, in base64 or base64url", () => {
    const text = `2026a:${one}\n2025b:${two.replaceAll("/", "_").replace("=", "")}\n`;
    const env = { SECRET_KEYS_FILE: "/keys" };

    expect(loadEnv(schema, env, () => text).SECRET_KEYS).toEqual(
      _load(`2026a:${one},2025b:${two}`),
    );
  });

  test.each([
    one,
    `:${one}`,
    `a b:${one}`,
    `a:${one.slice(4)}`,
    `a:${one}${one}`,
    `a:${"*".repeat(44)}`,
    `a:${one},a:${two}`,
    `a:${one},b`,
    ",",
  ])("refuses %p and repeats none of it", (text) => {
    const refused = expect(() => _load(text));

    refused.toThrow(ConfigError);
    refused.toThrow(/^SECRET_KEYS must be a list of <id>:<key>[^A*]*base64$/);
  });
});
