/** Format of a sealed value: `sealed:1:<key id>:<base64url of iv, ciphertext and tag>`. */
export const sealedPrefix = "sealed:1:";

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
