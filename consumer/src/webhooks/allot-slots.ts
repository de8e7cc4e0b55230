import type { ClaimRequest, DueWebhook } from "./claim-deliveries.ts";

export interface SlotLimits {
  /** Free slots of this process. */
  free: number;
  /** Maximum concurrent deliveries of one webhook. */
  perWebhook: number;
  /** Returns the active deliveries of a webhook. */
  countActive(id: string): number;
  /** The webhook that was served last. */
  after: string;
}

/**
 * Distributes free slots: tenants take turns, and so do the webhooks of each tenant. A failing webhook gets one slot
 * until an attempt succeeds, so that endpoints that hang do not hold the slots of others.
 */
export function allotSlots(
  due: readonly DueWebhook[],
  { free, perWebhook, countActive, after }: SlotLimits,
): ClaimRequest[] {
  const rotated = [...due.filter(({ id }) => id > after), ...due.filter(({ id }) => id <= after)];
  const lanes = [...Map.groupBy(rotated, ({ tenant }) => tenant).values()].map((webhooks) =>
    webhooks
      .map(({ id, isFailing }) => ({ id, left: (isFailing ? 1 : perWebhook) - countActive(id) }))
      .filter(({ left }) => left > 0),
  );
  const counts = new Map<string, number>();
  let left = free;
  for (let isAny = true; isAny && left > 0;) {
    isAny = false;
    for (const lane of lanes) {
      const next = left > 0 ? lane.shift() : undefined;
      if (next === undefined) continue;
      counts.set(next.id, (counts.get(next.id) ?? 0) + 1);
      next.left -= 1;
      left -= 1;
      isAny = true;
      if (next.left > 0) lane.push(next);
    }
  }
  return [...counts].map(([id, count]) => ({ id, count }));
}
