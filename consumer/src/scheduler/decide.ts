import type { ScheduleDefinition, Timing } from "@toril/contract/api/schedule";
import { toFireTimes } from "@toril/contract/engine/schedules/fire-times";

/** Maximum delay before a fire time counts as missed; a consumer restart takes less. */
const graceMs = 60_000;

export interface Decision {
  /** Latest due fire time; stands for all earlier ones. */
  scheduledFor: Date;
  next: Date | null;
  isSkipped: boolean;
}

/** Decides what to do with a schedule that has been due since `due`. */
export function decide(
  rules: Timing & Pick<ScheduleDefinition, "misfire">,
  due: Date,
  now: Date,
): Decision {
  const fireTimes = toFireTimes(rules);
  const scheduledFor = fireTimes.latest(due, now);
  const isLate = now.getTime() - scheduledFor.getTime() > graceMs;
  return {
    scheduledFor,
    next: fireTimes.after(now),
    isSkipped: isLate && rules.misfire === "skip",
  };
}
