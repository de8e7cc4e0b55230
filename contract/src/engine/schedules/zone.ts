import { Temporal } from "temporal-polyfill";

/** A time zone. Instants and local times are in ms since 1970; local times are represented as if they were UTC. */
export interface Zone {
  offsetAt(instant: number): number;
  toLocal(instant: number): number;
  /** The first instant with this local time; for a local time in a gap, the end of the gap. */
  toInstant(local: number): number;
  /** The instant of the next clock change; undefined if there is none. */
  nextChange(instant: number): number | undefined;
  /** Formats an instant as local time with offset, to the second. */
  format(instant: number): string;
}

/** Temporal rather than a cron library decides about clock changes; Node 24 has no Temporal of its own. */
export function getZone(timeZone: string): Zone {
  const zoned = (instant: number) =>
    Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(timeZone);
  const offsetAt = (instant: number) => zoned(instant).offsetNanoseconds / 1e6;

  return {
    offsetAt,
    toLocal: (instant) => instant + offsetAt(instant),
    toInstant(local) {
      const plain = Temporal.Instant.fromEpochMilliseconds(local)
        .toZonedDateTimeISO("UTC")
        .toPlainDateTime();
      const first = plain.toZonedDateTime(timeZone, { disambiguation: "earlier" });
      const isInGap = !first.toPlainDateTime().equals(plain);
      const at = isInGap ? (first.getTimeZoneTransition("next") ?? first) : first;
      return at.epochMilliseconds;
    },
    nextChange: (instant) => zoned(instant).getTimeZoneTransition("next")?.epochMilliseconds,
    format: (instant) => zoned(instant).toString({ smallestUnit: "second", timeZoneName: "never" }),
  };
}

/** Whether a name is a time zone. Engines accept numeric offsets too; Toril does not. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Z]/i.test(name)) return false;
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
