import { Cron } from "croner";
import { createZone } from "./zone.ts";

/** The next time after another, strictly, in ms since 1970; undefined when none will come. */
export type NextAfter = (instant: number) => number | undefined;

const everyHour = /^(\*|0-23)(\/1)?$/;

/**
 * croner counts in local time as if it had no changes; what becomes of them is decided here, because croner drops a
 * whole day's runs between two and three in the gap, and doubles them in the hour that comes twice.
 * An expression for every hour goes by elapsed time: nothing is made up for, and the hour that comes twice counts twice.
 * Any other names hours of the clock: each local time once, those in the gap together at its end.
 */
export function nextByCron(expression: string, timeZone: string): NextAfter {
  const local = parseCron(expression);
  const zone = createZone(timeZone);
  const fields = expression.trim().split(/\s+/);
  const nextLocal = (time: number) => local.nextRun(new Date(time))?.getTime();

  function byElapsedTime(instant: number): number | undefined {
    const offset = zone.offsetAt(instant);
    const next = nextLocal(instant + offset);
    if (next === undefined || zone.offsetAt(next - offset) === offset) {
      return next === undefined ? undefined : next - offset;
    }
    const change = zone.changeBetween(instant, next - offset);
    const changed = zone.offsetAt(change);
    const first = nextLocal(change + changed - 1);
    return first === undefined ? undefined : first - changed;
  }

  function byTheClock(instant: number): number | undefined {
    let next = nextLocal(zone.localOf(instant));
    while (next !== undefined && zone.instantOf(next) <= instant) next = nextLocal(next);
    return next === undefined ? undefined : zone.instantOf(next);
  }

  return everyHour.test(fields.at(-4) ?? "") ? byElapsedTime : byTheClock;
}

/** What is wrong with an expression; undefined when nothing is. */
export function cronFault(expression: string): string | undefined {
  const { length } = expression.trim().split(/\s+/);
  if (length !== 5 && length !== 6) {
    return "Five fields are needed: minute, hour, day of the month, month, day of the week; or six, with seconds first.";
  }
  try {
    return parseCron(expression).nextRun() === null ? "There is no such day." : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function parseCron(expression: string) {
  return new Cron(expression, { mode: "5-or-6-parts", utcOffset: 0, paused: true });
}
