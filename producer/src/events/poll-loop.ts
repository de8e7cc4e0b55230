import type { Logger } from "pino";

/** Polls while needed, soon when requested, and never concurrently. */
export interface PollLoop {
  pollSoon(): void;
  close(): void;
}

export interface PollLoopSettings {
  everyMs: number;
  isNeeded(): boolean;
  log: Pick<Logger, "warn">;
}

const minDelayMs = 10;

export function createPollLoop(
  poll: () => Promise<void>,
  { everyMs, isNeeded, log }: PollLoopSettings,
): PollLoop {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isSoon = false;
  let isRunning = false;
  let isClosed = false;
  let isFailing = false;

  function schedule(ms: number) {
    clearTimeout(timer);
    timer = setTimeout(() => void run(), ms);
  }

  /** Logs only the first of consecutive failures. */
  async function tryPoll() {
    try {
      await poll();
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn({ err: error }, "failed to poll for event streams");
      isFailing = true;
    }
  }

  async function run() {
    isRunning = true;
    isSoon = false;
    await tryPoll();
    isRunning = false;
    if (!isClosed && (isSoon || isNeeded())) schedule(isSoon ? minDelayMs : everyMs);
    else timer = undefined;
  }

  return {
    pollSoon() {
      if (isSoon || isClosed) return;
      isSoon = true;
      if (!isRunning) schedule(minDelayMs);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
