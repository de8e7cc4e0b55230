import type { ScheduleDefinition, Timing } from "@toril/contract/api/schedule";
import { toFireTimes } from "@toril/contract/engine/schedules/fire-times";

/** What a run may be late until it counts as missed: a consumer that is started again takes no longer. */
const graceMs = 60_000;

export interface Decision {
  /** The latest time that it was due, in the place of all before. */
  slot: Date;
  next: Date | null;
  isMissed: boolean;
}

/** What becomes of a schedule that has been due since `due`. */
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
