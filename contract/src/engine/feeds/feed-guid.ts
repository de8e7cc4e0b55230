import { createHash } from "node:crypto";
import { feedLimits } from "../../api/limits.ts";
import type { DraftItem } from "./map-feed.ts";

/** Returns the guid of an item, else its link, else a hash of its content. The same item always gets the same guid. */
export function getGuid(item: DraftItem): string {
  const own = item.guid ?? item.link;
  if (own !== null && new TextEncoder().encode(own).length <= feedLimits.guidBytes) return own;
  return `sha256:${sha256(own ?? said(item))}`;
}

function said(item: DraftItem): string {
  const { title, author, publishedAt, summary, content, categories, digest } = item;
  const fields = [title, author, publishedAt, summary, content];
  const isBlank = categories.length === 0 && fields.every((field) => field === null);
  return isBlank && digest !== undefined ? digest : JSON.stringify([...fields, categories]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
