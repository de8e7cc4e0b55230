export interface WaitingCap {
  /**
   * Whether so many more may wait; if so, `release` them when they stand in the ledger, or never will. With a count of 0 it
   * only asks whether `least` may.
   */
  reserve(count: number, least?: number): boolean | Promise<boolean>;
  release(count: number): void;
  /** So many more are let in, whether there is a place for them or not. */
  overdraw(count: number): void;
  /** How many more, as far as it is known here. */
  readonly left: number;
}

export interface WaitingCapDeps {
  max: number;
  /** How many wait in the ledger, counted up to a limit. */
  count(limit: number): Promise<number>;
  /** Monotonic. */
  now(): number;
}

interface Waiter {
  count: number;
  least: number;
  resolve(isFree: boolean): void;
  reject(error: unknown): void;
}

/** How long a count holds: so long that counting takes a twentieth of the time at most. */
const countFor = { ms: 50, of: 20 };
const mostMs = 1000;

/**
 * Bounds how many jobs wait, counted in the ledger: nothing needs to be told when one ends. Of what a count finds
 * free, this producer takes a quarter before it counts again, because others take from it too. What is on its way to
 * the ledger counts twice for a moment, so that alone it never lets in too many.
 */
export function createWaitingCap({ max, count, now }: WaitingCapDeps): WaitingCap {
  /** What may be let in until the count is too old. */
  let share = 0;
  let left = max;
  let untilMs = Number.NEGATIVE_INFINITY;
  let onTheirWay = 0;
  let waiters: Waiter[] = [];
  let isCounting = false;

  function admit(wanted: number) {
    share -= wanted;
    left -= wanted;
    onTheirWay += wanted;
  }

  async function countOnce() {
    const startedAt = now();
    const free = max - onTheirWay - (await count(max));
    const tookMs = now() - startedAt;
    untilMs = now() + Math.min(mostMs, Math.max(countFor.ms, tookMs * countFor.of));
    left = Math.max(0, free);
    share = Math.max(1, Math.floor(free / 4));
    // The first is let in when it fits at all: it may be larger than a share.
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
      onTheirWay -= count;
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
