/** An API key in the form that clients send: `toril_<id>_<secret>`. */
export interface KeyText {
  id: string;
  text: string;
}

const pattern = /^toril_([0-9a-z]{17})_[0-9a-f]{64}$/;

/** Generates a key: with a new id, or a new secret for the given id. */
export function createKeyText(id = createKeyId()): KeyText {
  return { id, text: `toril_${id}_${randomHex(32)}` };
}

/** Extracts the id of a well-formed key; returns undefined for any other text. */
export function keyIdIn(text: string): string | undefined {
  return pattern.exec(text)?.[1];
}

/**
 * Hashes a key for storage: SHA-256, hexadecimal. A slow hash protects passwords that people choose; a secret of 256
 * random bits cannot be guessed, however fast the hash.
 */
export async function hashKey(text: string): Promise<string> {
  return toHex(
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
}

/** Ids are ordered by time, so that a list of keys can be paged by id. */
function createKeyId(): string {
  return Date.now().toString(36).padStart(9, "0") + randomHex(4);
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
