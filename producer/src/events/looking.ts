/** Looks again and again as long as it is needed, at once when it is asked to, and never twice at a time. */
export interface Looking {
  soon(): void;
  close(): void;
}

const soonMs = 10;

export function createLooking(
  look: () => Promise<void>,
  { everyMs, isNeeded }: { everyMs: number; isNeeded(): boolean },
): Looking {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isSoon = false;
  let isRunning = false;
  let isClosed = false;

  function plan(ms: number) {
    clearTimeout(timer);
    timer = setTimeout(() => void run(), ms);
  }

  async function run() {
    isRunning = true;
    isSoon = false;
    await look().catch(() => {});
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
