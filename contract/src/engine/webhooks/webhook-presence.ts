/** Tells the hot path whether any webhook may exist, so that services without webhooks do not pay for them. */
export interface WebhookPresence {
  /** False only if Postgres had no enabled webhook within the last 2 s. */
  readonly mayExist: boolean;
  /** Reads again now and then until closed. */
  start(): void;
  close(): Promise<void>;
}

export interface WebhookPresenceDeps {
  /** Reads whether Postgres has an enabled webhook. */
  read(): Promise<boolean>;
  pollMs?: number;
  /** Monotonic clock, in milliseconds. */
  now?: () => number;
}

const defaultPollMs = 500;
/** A webhook gets the events of all jobs that end later than this after it was created. */
const staleAfterMs = 2000;

/** Creates a watch over the existence of webhooks. A read that fails or takes too long counts as "may exist". */
export function createWebhookPresence({
  read,
  pollMs = defaultPollMs,
  now = () => performance.now(),
}: WebhookPresenceDeps): WebhookPresence {
  let absentAt = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let reading = Promise.resolve();
  let isClosed = false;

  async function poll() {
    const startedAt = now();
    try {
      absentAt = (await read()) ? Number.NEGATIVE_INFINITY : startedAt;
    } catch {
      // Stale after a while, which is the safe side.
    }
    if (!isClosed) timer = setTimeout(pollAgain, pollMs);
  }
  function pollAgain() {
    reading = poll();
  }

  return {
    get mayExist() {
      return now() - absentAt > staleAfterMs;
    },
    start: pollAgain,
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await reading;
    },
  };
}
