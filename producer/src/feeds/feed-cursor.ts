import { z } from "zod";
import { decodeCursor, encodeCursor } from "../http/cursor.ts";
import type { FeedPosition } from "./feed-ledger.ts";

/** The source is percent-encoded: a cursor has only Latin-1 characters. */
const Position = z
  .string()
  .regex(/^[0-9a-f]{32} [\w%.!~*'()-]+$/)
  .refine((text) => decodeSource(text) !== undefined);

export function encodePosition({ source, hash }: FeedPosition): string {
  return encodeCursor(`${hash} ${encodeURIComponent(source)}`);
}

/** Throws a problem for a cursor that this API did not return. */
export function decodePosition(cursor: string): FeedPosition {
  const text = decodeCursor(cursor, Position);
  return { hash: text.slice(0, 32), source: decodeSource(text) ?? "" };
}

function decodeSource(text: string): string | undefined {
  try {
    const source = decodeURIComponent(text.slice(33));
    // Postgres refuses it.
    return source.includes("\0") ? undefined : source;
  } catch {
    return undefined;
  }
}
