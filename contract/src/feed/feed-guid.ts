import { maxGuidBytes } from "./feed-item.ts";
import type { DraftItem } from "./map-feed.ts";

/** The guid of an item, else its link, else a hash of what it says: the same item always gets the same one. */
export async function guidOf(item: DraftItem): Promise<string> {
  const own = item.guid ?? item.link;
  if (own !== null && utf8(own).length <= maxGuidBytes) return own;
  const { title, author, publishedAt, summary, content, categories } = item;
  const said = [title, author, publishedAt, summary, content, categories];
  return `sha256:${await sha256(own ?? JSON.stringify(said))}`;
}

async function sha256(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
