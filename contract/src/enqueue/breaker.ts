export interface Breaker {
  readonly isOpen: boolean;
  /** `work`'s success; false at once while open, and when `work` fails, which opens it. */
  attempt(work: () => Promise<unknown>): Promise<boolean>;
  close(): void;
}

export interface BreakerSettings {
  /** Fails as long as the other side is away. */
  probe(): Promise<unknown>;
  probeEveryMs: number;
  onChange(isOpen: boolean, error?: unknown): void;
}

/** Spares callers the time-outs of a store that is away: after one failure, only the probe asks it. */
export function createBreaker(settings: BreakerSettings): Breaker {
  let isOpen = false;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(error: unknown) {
    if (isOpen) return;
    isOpen = true;
    settings.onChange(true, error);
    probeLater();
  }

  function probeLater() {
    if (!isClosed) timer = setTimeout(() => void probe(), settings.probeEveryMs);
  }

  async function probe() {
    try {
      await settings.probe();
      isOpen = false;
      settings.onChange(false);
    } catch {
      probeLater();
    }
  }

  return {
    get isOpen() {
      return isOpen;
    },
    async attempt(work) {
      if (isOpen) return false;
      try {
        await work();
        return true;
      } catch (error) {
        open(error);
        return false;
      }
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
