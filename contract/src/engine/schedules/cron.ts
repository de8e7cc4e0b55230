import { Cron } from "croner";
import { getZone } from "./zone.ts";

/** Returns the next fire time strictly after an instant, in ms since 1970; undefined if there is none. */
export type NextAfter = (instant: number) => number | undefined;

const hourMs = 60 * 60 * 1000;

/**
 * Creates the fire times of a cron expression. croner computes in local time without clock changes, because its own
 * handling drops all fire times between two and three on the day of the gap, and doubles those in the repeated hour.
 * Expressions for every hour follow elapsed time: the gap is skipped, the repeated hour fires twice. All others follow
 * the clock: each local time fires once, and those in the gap fire together at its end.
 */
export function nextByCron(expression: string, timeZone: string): NextAfter {
  const local = parseCron(expression);
  const zone = getZone(timeZone);
  const nextLocal = (time: number) => local.nextRun(new Date(time))?.getTime();

  function byElapsedTime(instant: number): number | undefined {
    let offset = zone.offsetAt(instant);
    let change = zone.nextChange(instant);
    let next = nextLocal(instant + offset);
    while (next !== undefined && change !== undefined && next - offset >= change) {
      offset = zone.offsetAt(change);
      next = nextLocal(change + offset - 1);
      change = zone.nextChange(change);
    }
    return next === undefined ? undefined : next - offset;
  }

  function byTheClock(instant: number): number | undefined {
    let next = nextLocal(zone.toLocal(instant));
    while (next !== undefined && zone.toInstant(next) <= instant) next = nextLocal(next);
    return next === undefined ? undefined : zone.toInstant(next);
  }

  return isEveryHour(splitFields(expression).at(-4) ?? "") ? byElapsedTime : byTheClock;
}

/**
 * Whether an hour field allows all 24 hours: `*`, `?`, `*,5` and `0-11,12-23` are equal. Asks the parser, so that
 * parser and clock-change rules interpret an expression the same way.
 */
const isEveryHour = memo((field) => {
  const runs = parseCron(`0 ${field} * * *`).nextRuns(24, new Date(-1));
  return runs.at(-1)?.getTime() === 23 * hourMs;
}, 100);

function splitFields(expression: string): string[] {
  return expression.trim().split(/\s+/);
}

/** Describes the fault of an expression; undefined if the expression is valid. */
export function cronFault(expression: string): string | undefined {
  const { length } = splitFields(expression);
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

/** Memoizes a function with an LRU cache of `size` results. */
function memo<Result>(make: (key: string) => Result, size: number): (key: string) => Result {
  const kept = new Map<string, Result>();
  return (key) => {
    const result = kept.get(key) ?? make(key);
    kept.delete(key);
    kept.set(key, result);
    const [oldest] = kept.keys();
    if (kept.size > size && oldest !== undefined) kept.delete(oldest);
    return result;
  };
}
