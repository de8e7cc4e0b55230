export interface WaitingCap {
  /**
   * Reserves capacity for `count` pending jobs, if available; `release` it once they are recorded or refused. A `count`
   * of 0 only checks whether `least` jobs would be admitted.
   */
  reserve(count: number, least?: number): boolean | Promise<boolean>;
  release(count: number): void;
  /** Admits `count` jobs even beyond the limit. */
  overdraw(count: number): void;
  /** Remaining capacity as known here. */
  readonly left: number;
}

export interface WaitingCapDeps {
  max: number;
  /** Counts the pending jobs in the ledger, up to a limit. */
  count(limit: number): Promise<number>;
  /** Monotonic clock in ms. */
  now(): number;
}

interface Waiter {
  count: number;
  least: number;
  resolve(isFree: boolean): void;
  reject(error: unknown): void;
}

/**
 * How long a count is valid: `ms`, or `of` times its duration, so that counting takes at most a twentieth of the time.
 */
const countFor = { ms: 50, of: 20 };
const maxMs = 1000;

/**
 * Creates a limit for pending jobs that counts them in the ledger, so that no job has to report its end. Of the free
 * capacity, this producer uses a quarter before it counts again, because other producers use it too. Jobs being
 * recorded briefly count twice, so that a single producer never exceeds the limit.
 */
export function createWaitingCap({ max, count, now }: WaitingCapDeps): WaitingCap {
  /** How many jobs may be admitted until the count expires. */
  let share = 0;
  let left = max;
  let untilMs = Number.NEGATIVE_INFINITY;
  let inFlight = 0;
  let waiters: Waiter[] = [];
  let isCounting = false;

  function admit(wanted: number) {
    share -= wanted;
    left -= wanted;
    inFlight += wanted;
  }

  async function countOnce() {
    const startedAt = now();
    const free = max - inFlight - (await count(max));
    const tookMs = now() - startedAt;
    untilMs = now() + Math.min(maxMs, Math.max(countFor.ms, tookMs * countFor.of));
    left = Math.max(0, free);
    share = Math.max(1, Math.floor(free / 4));
    // The first waiter is admitted if it fits at all: it may be larger than the share.
    for (let first = waiters[0], isFirst = true; first !== undefined; first = waiters[0]) {
      if (first.least > left) {
        waiters.shift();
        first.resolve(false);
      } else if (isFirst || first.count <= share) {
        waiters.shift();
        admit(first.count);
        first.resolve(true);
      } else {
        break;
      }
      isFirst = false;
    }
  }

  async function keepCounting() {
    if (isCounting) return;
    isCounting = true;
    try {
      while (waiters.length > 0) await countOnce();
    } catch (error) {
      for (const waiter of waiters.splice(0)) waiter.reject(error);
    } finally {
      isCounting = false;
    }
  }

  return {
    reserve(wanted, least = wanted) {
      if (now() < untilMs && waiters.length === 0) {
        if (left < least) return false;
        if (share >= wanted) {
          admit(wanted);
          return true;
        }
      }
      return new Promise((resolve, reject) => {
        waiters.push({ count: wanted, least, resolve, reject });
        void keepCounting();
      });
    },
    release(count) {
      inFlight -= count;
    },
    overdraw(count) {
      left -= count;
      share -= count;
    },
    get left() {
      return left;
    },
  };
}
