import type { ScheduleDefinition, Timing } from "@toril/contract/api/schedule";
import { toFireTimes } from "@toril/contract/engine/schedules/fire-times";

/** Maximum delay before a fire time counts as missed; a consumer restart takes less. */
const graceMs = 60_000;

export interface Decision {
  /** Latest due fire time; stands for all earlier ones. */
  slot: Date;
  next: Date | null;
  isMissed: boolean;
}

/** Decides what to do with a schedule that has been due since `due`. */
export function decide(
  rules: Timing & Pick<ScheduleDefinition, "missed">,
  due: Date,
  now: Date,
): Decision {
  const slots = toFireTimes(rules);
  const slot = slots.latest(due, now);
  const isLate = now.getTime() - slot.getTime() > graceMs;
  return { slot, next: slots.after(now), isMissed: isLate && rules.missed === "skip" };
}
