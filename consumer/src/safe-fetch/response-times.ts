import type { IncomingMessage } from "node:http";

const statuses = new Set([429, 503]);
const minMs = 1000;
const maxSeconds = 24 * 60 * 60;

/** Parses Retry-After of a 429 or 503 response, clamped to 1 s to 24 h from now; null when absent or invalid. */
export function parseRetryAfter(
  { statusCode, headers }: Pick<IncomingMessage, "statusCode" | "headers">,
  now: number,
): Date | null {
  const text = headers["retry-after"]?.trim();
  if (!text || !statuses.has(statusCode ?? 0)) return null;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(waitMs)
    ? null
    : new Date(now + Math.min(Math.max(waitMs, minMs), maxSeconds * 1000));
}

/**
 * Returns until when a response is fresh by `max-age` of its Cache-Control (RFC 9111), at most 24 h from now; null if
 * it has none, or must be revalidated each time.
 */
export function getFreshUntil(
  { headers }: Pick<IncomingMessage, "headers">,
  now = Date.now(),
): Date | null {
  const directives = (headers["cache-control"] ?? "")
    .split(",")
    .map((directive) => directive.trim().toLowerCase());
  if (directives.some((directive) => /^no-(?:cache|store)(?:=|$)/.test(directive))) return null;
  const maxAge = directives.map((directive) => /^max-age="?(\d+)"?$/.exec(directive)?.[1]);
  const seconds = Number(maxAge.find((age) => age !== undefined) ?? 0);
  // A cache on the way has held the response for `Age` seconds.
  const age = /^\d+$/.test(headers.age ?? "") ? Number(headers.age) : 0;
  const left = Math.min(seconds - age, maxSeconds);
  return left > 0 ? new Date(now + left * 1000) : null;
}
