import type { IncomingMessage } from "node:http";

const statuses = new Set([429, 503]);
const leastMs = 1000;
const mostMs = 24 * 60 * 60 * 1000;

/** Parses Retry-After of a 429 or 503 response, clamped to 1 s to 24 h from now; null when absent or invalid. */
export function parseRetryAfter(
  { statusCode, headers }: Pick<IncomingMessage, "statusCode" | "headers">,
  now: number,
): Date | null {
  const text = headers["retry-after"]?.trim();
  if (!text || !statuses.has(statusCode ?? 0)) return null;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(waitMs) ? null : new Date(now + Math.min(Math.max(waitMs, leastMs), mostMs));
}
