import type { Flow, Lease } from "./lease.ts";

export type Taken = { status: "taken" } | { status: "refused"; waitMs: number };

export interface Bucket {
  /**
   * Takes `count` tokens; synchronous if the local credit suffices. Refused if fewer than `least` tokens are available,
   * by default the smaller of `count` and the bucket size; missing tokens become debt. A `count` of 0 only checks
   * `least`; a negative `least` is never refused.
   */
  take(count: number, least?: number): Taken | Promise<Taken>;
  /** Available tokens as known here; negative when in debt. */
  readonly left: number;
}

export interface BucketDeps extends Flow {
  bucket: string;
  lease: Lease;
  /** Monotonic clock in ms. */
  now(): number;
}

interface Waiter {
  count: number;
  least: number;
  resolve(taken: Taken): void;
}

/** A lease includes the tokens of this period beyond the demand. */
const leaseMs = 100;

/**
 * Creates this producer's view of a bucket that all producers share. It leases tokens from Redis 100 ms ahead of
 * demand, so that a busy caller does not wait and an exhausted one asks Redis at most ten times a second. While Redis
 * is unavailable, it acts as a local bucket.
 */
export function createBucket({ bucket, rate, size, lease, now }: BucketDeps): Bucket {
  const ahead = Math.min(Math.floor((rate * leaseMs) / 1000), Math.floor(size / 4));
  let credit = 0;
  /** Upper bound of the tokens in Redis: other producers only take. */
  let shared = { tokens: size, at: now() };
  let askAt = Number.NEGATIVE_INFINITY;
  let waiters: Waiter[] = [];
  let isLeasing = false;

  function sharedNow() {
    return Math.min(size, shared.tokens + ((now() - shared.at) * rate) / 1000);
  }

  function refused(least: number): Taken {
    const missing = least - credit - sharedNow();
    return { status: "refused", waitMs: Math.max((missing / rate) * 1000, askAt - now(), 1) };
  }

  function mustRefuse(least: number) {
    return (least > 0 && now() < askAt) || credit + sharedNow() < least;
  }

  /** Whether the credit covers a waiter after a lease; a `count` of 0 leases nothing. */
  function isCovered({ count, least }: Waiter) {
    return credit >= count && (count >= least || credit + sharedNow() >= least);
  }

  function spend(count: number): Taken {
    credit -= count;
    return { status: "taken" };
  }

  function takeAlone({ count, least }: Waiter): Taken {
    const tokens = sharedNow();
    if (credit + tokens < least) return refused(least);
    const fromShared = Math.max(0, count - credit);
    shared = { tokens: tokens - fromShared, at: now() };
    credit += fromShared;
    return spend(count);
  }

  function answer(respond: (waiter: Waiter) => Taken | undefined) {
    const [first] = waiters;
    const taken = first && respond(first);
    if (first === undefined || taken === undefined) return false;
    waiters.shift();
    first.resolve(taken);
    return true;
  }

  async function leaseOnce() {
    const [first] = waiters;
    const demand = waiters.reduce((sum, waiter) => sum + waiter.count, 0);
    const need = Math.max(0, (first?.count ?? 0) - credit);
    const least = first === undefined ? 1 : first.least - credit;
    const wanted = Math.max(need, demand + ahead - credit);
    const leased = await lease({ bucket, rate, size, minimum: least, required: need, wanted });
    if (leased === undefined) {
      while (answer(takeAlone));
      return;
    }
    credit += leased.granted;
    shared = { tokens: leased.left, at: now() };
    if (ahead > 0 && leased.granted < wanted) askAt = now() + leaseMs;
    while (answer((waiter) => (isCovered(waiter) ? spend(waiter.count) : undefined)));
    while (answer(({ least }) => (mustRefuse(least) ? refused(least) : undefined)));
  }

  async function keepLeasing() {
    if (isLeasing) return;
    isLeasing = true;
    do await leaseOnce();
    while (waiters.length > 0);
    isLeasing = false;
  }

  return {
    take(count, least = Math.min(count, size)) {
      if (waiters.length === 0 && credit >= Math.max(count, least)) {
        const taken = spend(count);
        if (credit < ahead / 2 && !mustRefuse(1)) void keepLeasing();
        return taken;
      }
      if (mustRefuse(least)) return refused(least);
      return new Promise((resolve) => {
        waiters.push({ count, least, resolve });
        void keepLeasing();
      });
    },
    get left() {
      return credit + sharedNow();
    },
  };
}
