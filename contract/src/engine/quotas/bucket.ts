import type { Flow, Lease } from "./lease.ts";

export type Taken = { status: "taken" } | { status: "refused"; waitMs: number };

export interface Bucket {
  /**
   * At once where a lease covers it. Given when at least `least` are left, by default all of them, or as many as the bucket
   * holds; what is missing is owed. With a count of 0 it only asks for `least`, with a `least` below 0 it is never refused.
   */
  take(count: number, least?: number): Taken | Promise<Taken>;
  /** How many are left, as far as it is known here: less than 0 when some are owed. */
  readonly left: number;
}

export interface BucketDeps extends Flow {
  bucket: string;
  lease: Lease;
  /** Monotonic. */
  now(): number;
}

interface Waiter {
  count: number;
  least: number;
  resolve(taken: Taken): void;
}

/** What a lease holds beyond what is asked for: what flows in within 100 ms. */
const leaseMs = 100;

/**
 * This producer's part of a bucket that all of them share. It takes from Redis what the next 100 ms may need, ahead
 * of time, so that a busy caller waits for no answer and an exhausted one asks no more than ten times a second.
 * While Redis is away it is a bucket of its own.
 */
export function createBucket({ bucket, rate, size, lease, now }: BucketDeps): Bucket {
  const ahead = Math.min(Math.floor((rate * leaseMs) / 1000), Math.floor(size / 4));
  let credit = 0;
  /** What stands in Redis, at most: others only take. */
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

  function isHopeless(least: number) {
    return (least > 0 && now() < askAt) || credit + sharedNow() < least;
  }

  /** After a lease, which gives nothing for a count of 0. */
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
    const leased = await lease({ bucket, rate, size, least, need, wanted });
    if (leased === undefined) {
      while (answer(takeAlone));
      return;
    }
    credit += leased.given;
    shared = { tokens: leased.left, at: now() };
    if (ahead > 0 && leased.given < wanted) askAt = now() + leaseMs;
    while (answer((waiter) => (isCovered(waiter) ? spend(waiter.count) : undefined)));
    while (answer(({ least }) => (isHopeless(least) ? refused(least) : undefined)));
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
        if (credit < ahead / 2 && !isHopeless(1)) void keepLeasing();
        return taken;
      }
      if (isHopeless(least)) return refused(least);
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
