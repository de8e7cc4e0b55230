/** A key as its holder has it: `toril_<id>_<secret>`. */
export interface KeyText {
  id: string;
  text: string;
}

const pattern = /^toril_([0-9a-z]{17})_[0-9a-f]{64}$/;

/** A key with a new id, or a new secret for the key with this id. */
export function createKeyText(id = createKeyId()): KeyText {
  return { id, text: `toril_${id}_${randomHex(32)}` };
}

/** The id in what is a key by its form; undefined for anything else. */
export function keyIdIn(text: string): string | undefined {
  return pattern.exec(text)?.[1];
}

/**
 * What is kept of a key: SHA-256, hexadecimal. A slow hash would protect secrets that people choose; 256 random bits
 * cannot be guessed, however fast the hash.
 */
export async function hashKey(text: string): Promise<string> {
  return toHex(
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
}

/** Ordered by time, so that a list of keys pages by id. */
function createKeyId(): string {
  return Date.now().toString(36).padStart(9, "0") + randomHex(4);
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
