import { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";

/** Secrets of Standard Webhooks: https://www.standardwebhooks.com */
const secretPrefix = "whsec_";
const secretBytes = 32;

/** Creates a secret in the format of Standard Webhooks: `whsec_` and base64. */
export function createSigningSecret(): string {
  return secretPrefix + randomBytes(secretBytes).toString("base64");
}

export interface SignedMessage {
  /** Identifies the event; the same for every attempt. Must not contain a dot. */
  id: string;
  /** Time of the attempt; receivers refuse old ones. */
  at: Date;
  body: string;
}

/**
 * Returns the headers that sign a request as Standard Webhooks says: one signature for each secret, so that receivers
 * may change to a new secret at any time of a rotation.
 */
export function createSignatureHeaders(
  secrets: readonly string[],
  { id, at, body }: SignedMessage,
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(secretPrefix.length), "base64");
    const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`);
    return `v1,${hmac.digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}
