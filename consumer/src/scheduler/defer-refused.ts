import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { Plan } from "./plan-runs.ts";

/** Jobs a second that are tried again for a key that has no rate. */
const defaultRate = 100;
const leastMs = 1000;
const mostMs = 60_000;

/**
 * Draws on the quotas of the keys that wrote the schedules. A run that is refused is deferred: its fire time stays due
 * and is tried again later, so that a quota that is used up for a moment costs a nightly job nothing; if the next fire
 * time comes first, one run is made for both. How late it may be is the misfire policy's.
 * @returns gives the reserved places back
 */
export async function deferRefused(plans: readonly Plan[], findQuota: FindQuota) {
  const owned = plans.filter(({ job, schedule }) => job && schedule.quotaKey && schedule.quotas);
  const releases = await Promise.all(
    [...Map.groupBy(owned, ({ schedule }) => schedule.quotaKey ?? "")].map(async ([key, ofKey]) => {
      const quotas = ofKey[0]?.schedule.quotas ?? {};
      const quota = findQuota(key, quotas);
      const { granted, refusal } = await quota.draw(ofKey.length);
      for (const [position, plan] of ofKey.slice(granted).entries()) {
        // One after the other, at the pace that the quota allows.
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
  const { lastSlot } = plan.after;
  plan.run = { ...plan.run, outcome: "deferred", jobId: null, reason: "quota", detail };
  plan.after = {
    lastSlot,
    nextAt: new Date(now.getTime() + waitMs),
    deferredSlot: lastSlot,
  };
  plan.job = undefined;
  plan.replaces = undefined;
}
