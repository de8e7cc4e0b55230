/** A delay grows to this, so that an endpoint that is repaired gets its events within half a day. */
const maxDelayMs = 12 * 60 * 60 * 1000;
const factor = 4;
/** Spreads the retries of events that failed together. */
const jitter = 0.2;

export interface RetryRules {
  baseMs: number;
  /** Null retries forever. */
  retryForMs: number | null;
}

export interface FailedAttempt {
  /** Number of the attempt, from 1. */
  attempt: number;
  /** Since the event was recorded or replayed. */
  ageMs: number;
  /** The endpoint asked to wait this long. */
  retryAfterMs: number | undefined;
}

/** Returns the delay before the next attempt, or null if the event is no longer retried. */
export function getRetryDelay(
  { attempt, ageMs, retryAfterMs = 0 }: FailedAttempt,
  { baseMs, retryForMs }: RetryRules,
  random: () => number = Math.random,
): number | null {
  if (retryForMs !== null && ageMs >= retryForMs) return null;
  const delayMs = Math.min(maxDelayMs, baseMs * factor ** (attempt - 1));
  const spreadMs = delayMs * (1 + jitter * (2 * random() - 1));
  return Math.round(Math.max(spreadMs, retryAfterMs));
}
