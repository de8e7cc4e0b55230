import type { Logger } from "pino";

/** Looks again and again as long as it is needed, at once when it is asked to, and never twice at a time. */
export interface JobWatcher {
  soon(): void;
  close(): void;
}

export interface LookingSettings {
  everyMs: number;
  isNeeded(): boolean;
  log: Pick<Logger, "warn">;
}

const soonMs = 10;

export function createJobWatcher(
  look: () => Promise<void>,
  { everyMs, isNeeded, log }: LookingSettings,
): JobWatcher {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isSoon = false;
  let isRunning = false;
  let isClosed = false;
  let isFailing = false;

  function plan(ms: number) {
    clearTimeout(timer);
    timer = setTimeout(() => void run(), ms);
  }

  /** Logs the first of failures in a row. */
  async function tryLook() {
    try {
      await look();
      isFailing = false;
    } catch (error) {
      if (!isFailing)
        log.warn({ err: error }, "failed to read the state of followed jobs or imports");
      isFailing = true;
    }
  }

  async function run() {
    isRunning = true;
    isSoon = false;
    await tryLook();
    isRunning = false;
    if (!isClosed && (isSoon || isNeeded())) plan(isSoon ? soonMs : everyMs);
    else timer = undefined;
  }

  return {
    soon() {
      if (isSoon || isClosed) return;
      isSoon = true;
      if (!isRunning) plan(soonMs);
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
