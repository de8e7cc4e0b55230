import { ConnectionError, TorilError } from "./errors.ts";

/** How a request is repeated after 429, 502, 503, 504, or a connection that was refused, cut or timed out. */
export interface RetryOptions {
  /** Maximum number of requests, including the first one; 5 by default. */
  attempts?: number;
  /** Delay before the second request, doubled for each further one, with jitter; 250 by default. */
  delayMs?: number;
  /** Maximum delay; 10,000 by default. */
  maxDelayMs?: number;
  /** A longer `Retry-After` is not waited for: the error is thrown at once. 60,000 by default. */
  maxRetryAfterMs?: number;
}

export type RetryPolicy = Required<RetryOptions>;

export function toRetryPolicy(retry: boolean | RetryOptions): RetryPolicy {
  const options = typeof retry === "boolean" ? {} : retry;
  return {
    attempts: retry === false ? 1 : 5,
    delayMs: 250,
    maxDelayMs: 10_000,
    maxRetryAfterMs: 60_000,
    ...options,
  };
}

/**
 * Returns the delay before the next request, in ms; undefined if the error is final.
 * @param attempt number of requests so far
 * @param isRepeatable whether the service may receive the request twice
 */
export function getRetryDelay(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  isRepeatable: boolean,
): number | undefined {
  if (attempt >= policy.attempts || !isTransient(error, attempt, isRepeatable)) return undefined;
  const backoff = Math.min(policy.delayMs * 2 ** (attempt - 1), policy.maxDelayMs);
  const jittered = backoff * (0.5 + Math.random() / 2);
  const retryAfter = error instanceof TorilError ? error.retryAfterMs : undefined;
  if (retryAfter === undefined) return jittered;
  // The jitter is added, so that refused clients do not all return in the same moment.
  return retryAfter > policy.maxRetryAfterMs ? undefined : retryAfter + jittered / 2;
}

function isTransient(error: unknown, attempt: number, isRepeatable: boolean): boolean {
  if (error instanceof ConnectionError) return isRepeatable;
  if (!(error instanceof TorilError)) return false;
  const { status, type } = error.problem;
  // Refused before anything was done.
  if (status === 429) return true;
  // Another request receives the part, or part 1 has not begun.
  if (type === "urn:toril:problem:import-part-in-use") return true;
  if (type === "urn:toril:problem:import-header-missing") return true;
  // The service still processes the first request of this client, whose connection was cut.
  if (type === "urn:toril:problem:idempotency-key-in-use") return attempt > 1;
  return isRepeatable && (status === 502 || status === 503 || status === 504);
}

/** Waits. Rejects with the reason of the signal on abort. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Creates an Idempotency-Key. `crypto.randomUUID` is missing on pages without TLS. */
export function createIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
