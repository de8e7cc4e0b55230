import { createHash } from "node:crypto";

/** Returns the hash in hexadecimal digits. */
export function sha256(input: string | Uint8Array): string {
  return createHash("sha256").update(input).digest("hex");
}
