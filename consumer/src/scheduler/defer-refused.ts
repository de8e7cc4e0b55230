import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { Plan } from "./plan-runs.ts";

/** Retries per second for an API key without a rate limit. */
const defaultRate = 100;
const leastMs = 1000;
const mostMs = 60_000;

/**
 * Draws on the quotas of the API keys that own the schedules. A refused run is deferred: the fire time stays due and is
 * retried later. If the next fire time comes first, one run covers both. The misfire policy limits the delay.
 * @returns a function that releases the quota reservations
 */
export async function deferRefused(plans: readonly Plan[], findQuota: FindQuota) {
  const owned = plans.filter(({ job, schedule }) => job && schedule.quotaKey && schedule.quotas);
  const releases = await Promise.all(
    [...Map.groupBy(owned, ({ schedule }) => schedule.quotaKey ?? "")].map(async ([key, ofKey]) => {
      const quotas = ofKey[0]?.schedule.quotas ?? {};
      const quota = findQuota(key, quotas);
      const { granted, refusal } = await quota.draw(ofKey.length);
      for (const [position, plan] of ofKey.slice(granted).entries()) {
        // Spread the retries at the rate of the quota.
        const pacedMs = (position / (quotas.rate ?? defaultRate)) * 1000;
        const waitMs = Math.max(leastMs, refusal?.waitMs ?? 0, pacedMs);
        defer(plan, Math.min(mostMs, waitMs), refusal?.detail ?? null);
      }
      return () => quota.release(granted);
    }),
  );
  return () => {
    for (const release of releases) release();
  };
}

function defer(plan: Plan, waitMs: number, detail: string | null) {
  const { now } = plan.schedule;
  const { lastFireTime } = plan.after;
  plan.run = { ...plan.run, outcome: "deferred", jobId: null, reason: "quota", detail };
  plan.after = {
    lastFireTime,
    nextAt: new Date(now.getTime() + waitMs),
    deferredFireTime: lastFireTime,
  };
  plan.job = undefined;
  plan.replaces = undefined;
}
