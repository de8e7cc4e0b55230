import type { IncomingMessage } from "node:http";

const statuses = new Set([429, 503]);
const leastMs = 1000;
const mostMs = 24 * 60 * 60 * 1000;

/** When a server that is busy wants to be asked again, within a day; null when it does not say. */
export function retryAfterOf({ statusCode, headers }: IncomingMessage, now: number): Date | null {
  const text = headers["retry-after"]?.trim();
  if (!text || !statuses.has(statusCode ?? 0)) return null;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(waitMs) ? null : new Date(now + Math.min(Math.max(waitMs, leastMs), mostMs));
}
