import type { Logger } from "pino";

/** Polls while needed, soon when requested, and never concurrently. */
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

  /** Logs only the first of consecutive failures. */
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
