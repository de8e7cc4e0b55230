import { z } from "zod";
import { keyBytes, type SecretKey } from "./key-ring.ts";

const error =
  `must be a list of <id>:<key>, with unique ids of letters, digits, ".", "_" and "-", ` +
  `and keys of ${keyBytes} bytes in base64`;

/**
 * Parses `2026a:<base64>,2025b:<base64>`, separated by commas or whitespace. Error messages contain no key material.
 */
export const secretKeysField: z.ZodType<[SecretKey, ...SecretKey[]], string> = z
  .string()
  .transform((text, context) => {
    const [first, ...rest] = text
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(parseKey);
    const keys = first && [first, ...rest];
    const ids = new Set(keys?.map((key) => key?.id));
    if (keys?.every((key) => key !== undefined) && ids.size === keys.length) {
      return keys as [SecretKey, ...SecretKey[]];
    }
    context.addIssue({ code: "custom", message: error });
    return z.NEVER;
  })
  .describe(
    "keys that encrypt the secret fields of jobs: `2026a:<32 bytes in base64>,2025b:...`; the first one encrypts, all decrypt",
  );

function parseKey(text: string): SecretKey | undefined {
  const [, id, base64] = /^([\w.-]{1,64}):([\w+/-]+={0,2})$/.exec(text) ?? [];
  if (id === undefined || base64 === undefined) return undefined;
  const bytes = toBytes(base64.replaceAll("-", "+").replaceAll("_", "/"));
  return bytes?.length === keyBytes ? { id, bytes } : undefined;
}

function toBytes(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
