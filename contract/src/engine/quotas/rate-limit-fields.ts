import type { Flow } from "./lease.ts";

/** Formats RateLimit-Policy, which is constant for a key (draft-ietf-httpapi-ratelimit-headers-11). */
export function rateLimitPolicyOf(policy: {
  jobs: Flow | undefined;
  bytes: Flow | undefined;
  maxWaiting: number | undefined;
}): string {
  const { jobs, bytes, maxWaiting } = policy;
  return [
    jobs && `"jobs";q=${jobs.size};w=${windowOf(jobs)}`,
    bytes && `"bytes";q=${bytes.size};w=${windowOf(bytes)};qu="content-bytes"`,
    maxWaiting && `"waiting";q=${maxWaiting};qu="concurrent-requests"`,
  ]
    .filter(Boolean)
    .join(", ");
}

type Left = Flow & { left: number };

/** Formats RateLimit: the remaining quota and the seconds until more is available. */
export function rateLimitOf(now: {
  jobs: Left | undefined;
  bytes: Left | undefined;
  waiting: number | undefined;
}): string {
  const { jobs, bytes, waiting } = now;
  return [
    jobs && `"jobs";${leftOf(jobs)}`,
    bytes && `"bytes";${leftOf(bytes)}`,
    waiting !== undefined && `"waiting";r=${wholeOf(waiting)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** Seconds until an empty bucket is full. */
function windowOf({ rate, size }: Flow) {
  return Math.max(1, Math.ceil(size / rate));
}

/** `t` is the time until one token is available if none is left, else until the bucket is full. */
function leftOf({ rate, size, left }: Left) {
  const whole = wholeOf(left);
  return `r=${whole};t=${Math.ceil(((whole === 0 ? 1 : size) - left) / rate)}`;
}

function wholeOf(left: number) {
  return Math.max(0, Math.floor(left));
}
