import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

export type Opened =
  | { status: "ok"; text: string }
  | { status: "unknown-key"; keyId: string }
  /** The text was altered, or sealed for another place. */
  | { status: "tampered" };

/** A list of keys: the first one encrypts, all decrypt. */
export interface KeyRing {
  /**
   * Encrypts a text.
   * @param place the field that the text belongs to; the text cannot be decrypted for another field
   */
  seal(text: string, place: string): string;
  open(sealed: string, place: string): Opened;
  /** Returns HMACs, so that guesses cannot be verified without the keys: one per key, the current key first. */
  digests(text: string): string[];
}

export interface SecretKey {
  id: string;
  bytes: Uint8Array;
}

export const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
const cipherName = "aes-256-gcm";

/** Creates a key ring that uses AES-256-GCM. */
export function createKeyRing(keys: readonly [SecretKey, ...SecretKey[]]): KeyRing {
  const byId = new Map(keys.map((key) => [key.id, key.bytes]));
  const [{ id: currentId, bytes: currentKey }] = keys;
  // Derived keys, so that hashing reveals nothing about the encryption keys.
  const digestKeys = keys.map(({ bytes }) =>
    createHmac("sha256", bytes).update("toril digest").digest(),
  );

  return {
    seal(text, place) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(cipherName, currentKey, iv, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(place));
      const parts = [iv, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
      return `${sealedPrefix}${currentId}:${Buffer.concat(parts).toString("base64url")}`;
    },
    open(sealed, place) {
      const parsed = parseSealed(sealed);
      if (parsed === undefined) return { status: "tampered" };
      const key = byId.get(parsed.keyId);
      if (key === undefined) return { status: "unknown-key", keyId: parsed.keyId };
      const bytes = Buffer.from(parsed.payload, "base64url");
      if (bytes.length < ivBytes + tagBytes) return { status: "tampered" };
      try {
        const iv = bytes.subarray(0, ivBytes);
        const decipher = createDecipheriv(cipherName, key, iv, { authTagLength: tagBytes });
        decipher.setAAD(Buffer.from(place));
        decipher.setAuthTag(bytes.subarray(-tagBytes));
        const text = Buffer.concat([
          decipher.update(bytes.subarray(ivBytes, -tagBytes)),
          decipher.final(),
        ]).toString();
        return { status: "ok", text };
      } catch {
        return { status: "tampered" };
      }
    },
    digests: (text) =>
      digestKeys.map((key) => createHmac("sha256", key).update(text).digest("hex")),
  };
}

/** Format of a sealed value: `sealed:1:<key id>:<base64url of iv, ciphertext and tag>`. */
const sealedPrefix = "sealed:1:";

const sealedPattern = /^sealed:1:([\w.-]{1,64}):([\w-]*)$/;

/** Whether a value is a sealed text. */
export function isSealed(value: unknown): value is string {
  return typeof value === "string" && value.startsWith(sealedPrefix) && sealedPattern.test(value);
}

/** Splits a sealed text into key id and payload; undefined if malformed. */
export function parseSealed(text: string): { keyId: string; payload: string } | undefined {
  const [, keyId, payload] = sealedPattern.exec(text) ?? [];
  return keyId === undefined || payload === undefined ? undefined : { keyId, payload };
}
