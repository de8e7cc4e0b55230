import { createHash } from "node:crypto";
import { type VersionedJob, versionOf } from "@toril/contract/change/version";

/** `"<version>.<hash>"`: what a change is conditioned on, and what the answer says. */
export function etagOf(row: VersionedJob, body: unknown): string {
  const hash = createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 16);
  return `"${versionOf(row)}.${hash}"`;
}

/** Whether an If-None-Match names the tag (RFC 9110). */
export function matches(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  const tags = new Set(condition.split(",").map((tag) => tag.trim().replace(/^W\//, "")));
  return tags.has("*") || tags.has(etag);
}
