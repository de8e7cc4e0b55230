import { type NextAfter, nextByCron } from "./cron.ts";
import type { SchedulePreview, Timing } from "../../api/schedule.ts";
import { getZone } from "./zone.ts";

/** The fire times of a schedule. */
export interface FireTimes {
  /** The first fire time after `time`; null if there is none. */
  after(time: Date): Date | null;
  /** The last fire time up to `now`, given that `due` is one. */
  latest(due: Date, now: Date): Date;
}

/** Computes the fire times of a definition. */
export function toFireTimes({ cron, everyMs, timeZone, from, until }: Timing): FireTimes {
  const start = from === undefined ? undefined : Date.parse(from);
  const end = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until);
  const endless =
    cron === undefined ? nextByInterval(everyMs ?? 0, start ?? 0) : nextByCron(cron, timeZone);

  function next(instant: number): number | undefined {
    const found = endless(start === undefined ? instant : Math.max(instant, start - 1));
    return found !== undefined && found <= end ? found : undefined;
  }

  return {
    after(time) {
      const found = next(time.getTime());
      return found === undefined ? null : new Date(found);
    },
    latest(due, now) {
      let [low, high] = [due.getTime(), now.getTime()];
      for (;;) {
        const following = next(low);
        if (following === undefined || following > high) return new Date(low);
        const middle = Math.ceil((following + high) / 2);
        const found = next(middle - 1);
        if (found !== undefined && found <= high) low = found;
        else [low, high] = [following, middle - 1];
      }
    },
  };
}

function nextByInterval(everyMs: number, start: number): NextAfter {
  return (instant) =>
    instant < start ? start : start + (Math.floor((instant - start) / everyMs) + 1) * everyMs;
}

/** Computes the next fire times, at most `count`. */
export function previewFireTimes(timing: Timing, after: Date, count: number): SchedulePreview {
  const { timeZone } = timing;
  const fireTimes = toFireTimes(timing);
  const zone = getZone(timeZone);
  const times: SchedulePreview["times"] = [];
  let time = fireTimes.after(after);
  while (time !== null && times.length < count) {
    times.push({ at: time.toISOString(), local: zone.format(time.getTime()) });
    time = fireTimes.after(time);
  }
  return { timeZone, times };
}
