import { readFileSync } from "node:fs";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import { countWaiting } from "@toril/contract/engine/quotas/count-waiting";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { KeyQuota, RateLimit, Refusal } from "@toril/contract/engine/quotas/key-quota";
import { createLease, leaseScriptUrl } from "@toril/contract/engine/quotas/lease";
import { createFindQuota, type FindQuota } from "@toril/contract/engine/quotas/quotas";
import { ProblemError } from "../http/problem.ts";

export interface SharedQuotasDeps {
  redis: Redis | Cluster;
  prefix: string;
  ledger: Pick<Ledger, "run">;
  log: Logger;
}

/** Returns the quotas of keys, which all producers share through Redis. */
export function createSharedQuotas({ redis, prefix, ledger, log }: SharedQuotasDeps): FindQuota {
  return createFindQuota({
    prefix,
    lease: createLease({
      redis,
      script: readFileSync(leaseScriptUrl, "utf8"),
      now: () => performance.now(),
      onChange: (isUnavailable, error) =>
        isUnavailable
          ? log.warn({ err: error }, "failed to share quotas: this process enforces them alone")
          : log.info("quotas are shared again"),
    }),
    countWaiting: (quotaKey, limit) => ledger.run((sql) => countWaiting(sql, quotaKey, limit)),
  });
}

/** Reserves from the quota of a request's key. Throws `quota-exceeded` if the quota is exhausted. */
export interface QuotaReservation {
  takeJobs(jobs: number): Promise<void>;
  takeBytes(count: number): Promise<void>;
  /** Reserves slots for waiting jobs while `work` runs. */
  withReserved<Result>(jobs: number, work: () => Promise<Result>): Promise<Result>;
  blocking: BlockingReservation;
  getRateLimit(): RateLimit;
}

/** For streamed bodies: waits where a request would be refused. */
export interface BlockingReservation {
  /** Maximum number of jobs to record at once. */
  maxJobs: number;
  takeBytes(count: number): Promise<void>;
  withReserved<Result>(jobs: number, work: () => Promise<Result>): Promise<Result>;
}

/** Runs `work` after reserving from the quota of the caller, if there is one. */
export async function withQuota<Result>(
  reservation: QuotaReservation | undefined,
  jobs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  if (reservation === undefined) return work();
  await reservation.takeJobs(jobs);
  return reservation.withReserved(jobs, work);
}

/** A streamed body is refused as well if it would have to wait longer. */
const maxBlockedMs = 30_000;

export function createQuotaReservation(quota: KeyQuota): QuotaReservation {
  function throwIfRefused(refusal: Refusal) {
    if (refusal === undefined) return;
    const seconds = Math.max(1, Math.ceil(refusal.waitMs / 1000));
    throw new ProblemError("quota-exceeded", refusal.detail, undefined, {
      headers: { "Retry-After": String(seconds) },
    });
  }

  async function waitForQuota(reserve: () => Promise<Refusal>) {
    const deadline = performance.now() + maxBlockedMs;
    for (;;) {
      const refusal = await reserve();
      if (refusal === undefined || performance.now() + refusal.waitMs > deadline) {
        throwIfRefused(refusal);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, refusal.waitMs));
    }
  }

  async function releaseAfter<Result>(jobs: number, work: () => Promise<Result>) {
    try {
      return await work();
    } finally {
      quota.release(jobs);
    }
  }

  return {
    async takeJobs(jobs) {
      throwIfRefused(await quota.takeJobs(jobs));
    },
    async takeBytes(count) {
      throwIfRefused(await quota.takeBytes(count));
    },
    async withReserved(jobs, work) {
      throwIfRefused(await quota.reserve(jobs));
      return releaseAfter(jobs, work);
    },
    getRateLimit: () => quota.left(),
    blocking: {
      maxJobs: quota.maxJobs,
      takeBytes: (count) => waitForQuota(() => quota.takeBytes(count)),
      async withReserved(jobs, work) {
        await waitForQuota(() => quota.takeJobs(jobs));
        await waitForQuota(() => quota.reserve(jobs));
        return releaseAfter(jobs, work);
      },
    },
  };
}
