import { memo } from "./memo.ts";

/** A time zone. Local times are represented as if they were UTC, in ms since 1970. */
export interface Zone {
  localOf(instant: number): number;
  /** The first instant with this local time; for a local time in a gap, the end of the gap. */
  instantOf(local: number): number;
  offsetAt(instant: number): number;
  /** The instant at which the offset changes. `from` and `until` must have different offsets. */
  changeBetween(from: number, until: number): number;
}

/** At most one clock change occurs within this distance of a local time. */
const nearMs = 36 * 60 * 60 * 1000;

/** Cached, because creating a zone takes a third of a millisecond. */
export const zoneOf = memo(createZone, 100);

function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });

  function offsetAt(instant: number): number {
    const at: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(instant)) at[type] = Number(value);
    const { year = 0, month = 1, day, hour, minute, second } = at;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
  }

  function changeBetween(from: number, until: number): number {
    const before = offsetAt(from);
    let [low, high] = [from, until];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  return {
    offsetAt,
    changeBetween,
    localOf: (instant) => instant + offsetAt(instant),
    instantOf(local) {
      const [before, after] = [offsetAt(local - nearMs), offsetAt(local + nearMs)];
      if (offsetAt(local - before) === before) return local - before;
      if (offsetAt(local - after) === after) return local - after;
      return changeBetween(local - nearMs, local + nearMs);
    },
  };
}

/** Whether a name is a time zone. Engines accept numeric offsets too; Toril does not. */
export function isTimeZone(name: string): boolean {
  try {
    return /^[A-Z]/i.test(name) && zoneOf(name) !== undefined;
  } catch {
    return false;
  }
}
