import { ProblemError } from "../http/problem.ts";
import type { KeyQuota, RateLimit, Refusal } from "@toril/contract/engine/quotas/key-quota";

/** Reserves from the quota of a request's key. Throws `quota-exceeded` if the quota is exhausted. */
export interface Charge {
  take(jobs: number): Promise<void>;
  takeBytes(count: number): Promise<void>;
  /** Reserves slots for waiting jobs while `record` runs. */
  reserving<Result>(jobs: number, record: () => Promise<Result>): Promise<Result>;
  paced: Pace;
  left(): RateLimit;
}

/** For streamed bodies: waits where a request would be refused. */
export interface Pace {
  /** Maximum number of jobs to record at once. */
  maxJobs: number;
  takeBytes(count: number): Promise<void>;
  recording<Result>(jobs: number, record: () => Promise<Result>): Promise<Result>;
}

/** Runs `record` after reserving from the quota of the caller, if there is one. */
export async function charging<Result>(
  charge: Charge | undefined,
  jobs: number,
  record: () => Promise<Result>,
): Promise<Result> {
  if (charge === undefined) return record();
  await charge.take(jobs);
  return charge.reserving(jobs, record);
}

/** A streamed body is refused as well if it would have to wait longer. */
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
