import { ProblemError } from "../http/problem.ts";
import type { KeyQuota, RateLimit, Refusal } from "@toril/contract/engine/quotas/key-quota";

/** Draws on the quota of a request's key. Throws the problem `quota-exceeded` when that is used up. */
export interface Charge {
  take(jobs: number): Promise<void>;
  takeBytes(count: number): Promise<void>;
  /** Runs what records so many jobs, when they have a place among those that wait. */
  reserving<Result>(jobs: number, record: () => Promise<Result>): Promise<Result>;
  paced: Pace;
  left(): RateLimit;
}

/** For what is read as a stream: it waits where a request would be refused. */
export interface Pace {
  /** More than this is not to be recorded at once. */
  maxJobs: number;
  takeBytes(count: number): Promise<void>;
  recording<Result>(jobs: number, record: () => Promise<Result>): Promise<Result>;
}

/** What makes so many jobs wait, drawn on the quota of who asks, if there is one. */
export async function charging<Result>(
  charge: Charge | undefined,
  jobs: number,
  record: () => Promise<Result>,
): Promise<Result> {
  if (charge === undefined) return record();
  await charge.take(jobs);
  return charge.reserving(jobs, record);
}

/** A stream waits no longer than this; then it is refused as well. */
const patienceMs = 30_000;

export function createCharge(quota: KeyQuota): Charge {
  function settle(refusal: Refusal) {
    if (refusal === undefined) return;
    const seconds = Math.max(1, Math.ceil(refusal.waitMs / 1000));
    throw new ProblemError("quota-exceeded", refusal.detail, undefined, {
      headers: { "Retry-After": String(seconds) },
    });
  }

  async function patiently(ask: () => Promise<Refusal>) {
    const giveUpAt = performance.now() + patienceMs;
    for (;;) {
      const refusal = await ask();
      if (refusal === undefined || performance.now() + refusal.waitMs > giveUpAt) {
        settle(refusal);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, refusal.waitMs));
    }
  }

  async function releasing<Result>(jobs: number, record: () => Promise<Result>) {
    try {
      return await record();
    } finally {
      quota.release(jobs);
    }
  }

  return {
    async take(jobs) {
      settle(await quota.takeJobs(jobs));
    },
    async takeBytes(count) {
      settle(await quota.takeBytes(count));
    },
    async reserving(jobs, record) {
      settle(await quota.reserve(jobs));
      return releasing(jobs, record);
    },
    left: () => quota.left(),
    paced: {
      maxJobs: quota.maxJobs,
      takeBytes: (count) => patiently(() => quota.takeBytes(count)),
      async recording(jobs, record) {
        await patiently(() => quota.takeJobs(jobs));
        await patiently(() => quota.reserve(jobs));
        return releasing(jobs, record);
      },
    },
  };
}
