import { memo } from "./memo.ts";

/** The local time of a zone. A local time is kept as if it were UTC, in ms since 1970. */
export interface Zone {
  localOf(instant: number): number;
  /** The first instant with that local time; in a gap, which no clock shows, the instant at which the gap ends. */
  instantOf(local: number): number;
  offsetAt(instant: number): number;
  /** The instant from which on the offset is another than before; both ends differ in theirs. */
  changeBetween(from: number, until: number): number;
}

/** Within so many ms around a local time lies at most one change of the clocks. */
const nearMs = 36 * 60 * 60 * 1000;

/** Making a zone takes a third of a millisecond. */
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

/** Engines know offsets too; a zone has a name. */
export function isTimeZone(name: string): boolean {
  try {
    return /^[A-Z]/i.test(name) && zoneOf(name) !== undefined;
  } catch {
    return false;
  }
}
