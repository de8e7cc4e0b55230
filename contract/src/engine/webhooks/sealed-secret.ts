import { isSealed, type KeyRing } from "../secrets/key-ring.ts";

/** Encrypts a signing secret if the service has encryption keys; otherwise the ledger keeps it as text. */
export function sealSigningSecret(
  secret: string,
  ownerId: string,
  keys: KeyRing | undefined,
): string {
  return keys === undefined ? secret : keys.seal(secret, toPlace(ownerId));
}

/** Decrypts a signing secret; undefined if the process lacks the key. */
export function openSigningSecret(
  stored: string,
  ownerId: string,
  keys: KeyRing | undefined,
): string | undefined {
  if (!isSealed(stored)) return stored;
  const opened = keys?.open(stored, toPlace(ownerId));
  return opened?.status === "ok" ? opened.text : undefined;
}

function toPlace(ownerId: string) {
  return `signing-secret:${ownerId}`;
}
