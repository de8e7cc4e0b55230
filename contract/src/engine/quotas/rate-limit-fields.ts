import type { Flow } from "./lease.ts";

/** Formats RateLimit-Policy, which is constant for a key (draft-ietf-httpapi-ratelimit-headers-11). */
export function toRateLimitPolicy(policy: {
  jobs: Flow | undefined;
  bytes: Flow | undefined;
  maxWaiting: number | undefined;
}): string {
  const { jobs, bytes, maxWaiting } = policy;
  return [
    jobs && `"jobs";q=${jobs.size};w=${getWindow(jobs)}`,
    bytes && `"bytes";q=${bytes.size};w=${getWindow(bytes)};qu="content-bytes"`,
    maxWaiting && `"waiting";q=${maxWaiting};qu="concurrent-requests"`,
  ]
    .filter(Boolean)
    .join(", ");
}

type Left = Flow & { left: number };

/** Formats RateLimit: the remaining quota and the seconds until more is available. */
export function toRateLimit(now: {
  jobs: Left | undefined;
  bytes: Left | undefined;
  waiting: number | undefined;
}): string {
  const { jobs, bytes, waiting } = now;
  return [
    jobs && `"jobs";${getLeft(jobs)}`,
    bytes && `"bytes";${getLeft(bytes)}`,
    waiting !== undefined && `"waiting";r=${toWhole(waiting)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** Seconds until an empty bucket is full. */
function getWindow({ rate, size }: Flow) {
  return Math.max(1, Math.ceil(size / rate));
}

/** `t` is the time until one token is available if none is left, else until the bucket is full. */
function getLeft({ rate, size, left }: Left) {
  const whole = toWhole(left);
  return `r=${whole};t=${Math.ceil(((whole === 0 ? 1 : size) - left) / rate)}`;
}

function toWhole(left: number) {
  return Math.max(0, Math.floor(left));
}
