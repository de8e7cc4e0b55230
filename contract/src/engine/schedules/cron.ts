import { Cron } from "croner";
import { memo } from "./memo.ts";
import { zoneOf } from "./zone.ts";

/** The next time after another, strictly, in ms since 1970; undefined when none will come. */
export type NextAfter = (instant: number) => number | undefined;

const hourMs = 60 * 60 * 1000;

/**
 * croner counts in local time as if it had no changes; what becomes of them is decided here, because croner drops a
 * whole day's runs between two and three in the gap, and doubles them in the hour that comes twice.
 * An expression for every hour goes by elapsed time: nothing is made up for, and the hour that comes twice counts twice.
 * Any other names hours of the clock: each local time once, those in the gap together at its end.
 */
export function nextByCron(expression: string, timeZone: string): NextAfter {
  const local = parseCron(expression);
  const zone = zoneOf(timeZone);
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

  return isEveryHour(fieldsOf(expression).at(-4) ?? "") ? byElapsedTime : byTheClock;
}

/**
 * Whether an hour field allows all 24 hours, as the parser reads it: `*`, `?`, `*,5` and `0-11,12-23` are the same. The
 * parser is asked, so that it and the rules for time changes have one interpretation of an expression.
 */
const isEveryHour = memo((field) => {
  const runs = parseCron(`0 ${field} * * *`).nextRuns(24, new Date(-1));
  return runs.at(-1)?.getTime() === 23 * hourMs;
}, 100);

function fieldsOf(expression: string): string[] {
  return expression.trim().split(/\s+/);
}

/** What is wrong with an expression; undefined when nothing is. */
export function cronFault(expression: string): string | undefined {
  const { length } = fieldsOf(expression);
  if (length !== 5 && length !== 6) {
    return "Five fields are needed: minute, hour, day of the month, month, day of the week; or six, with seconds first.";
  }
  try {
    return parseCron(expression).nextRun() === null ? "There is no such day." : undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Parsing takes half a millisecond, and a parsed expression 80 kB. */
const parseCron = memo(
  (expression) => new Cron(expression, { mode: "5-or-6-parts", utcOffset: 0, paused: true }),
  100,
);
