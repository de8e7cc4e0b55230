import { logOptions } from "@toril/contract/log-options";
import type { Scrub } from "@toril/contract/secret/scrub";
import { pino, type DestinationStream, type Logger } from "pino";

export type Log = Logger;
export type JobLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** Straight to stdout: a worker transport loses lines when the process is killed. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = logOptions("consumer", level);
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** A log whose lines do not tell a job's secrets. */
export function scrubbedLog(log: JobLog, scrub: Scrub): JobLog {
  const write =
    (level: keyof JobLog) =>
    (first: unknown, ...rest: unknown[]) => {
      const fields = first instanceof Error ? { err: first } : first;
      const message = first instanceof Error && rest.length === 0 ? [first.message] : rest;
      // What pino takes is what it was given.
      const line = [fields, ...message].map(scrub.value) as [object, string];
      log[level](...line);
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/**
 * Logs the first of many like errors and, once a period, how many there were since: a worker whose Redis is out of
 * memory emits tens of thousands in seconds.
 */
export function createThrottledLog(
  write: (error: Error, repeated: number) => void,
  settings: { periodMs: number; now: () => number },
): (error: Error) => void {
  const seen = new Map<string, { since: number; repeated: number }>();
  return (error) => {
    const kind = error.message.replaceAll(/[0-9a-f-]{8,}|\d+/g, "#");
    const now = settings.now();
    const last = seen.get(kind);
    if (last !== undefined && now - last.since < settings.periodMs) {
      last.repeated += 1;
      return;
    }
    if (seen.size >= maxKinds) seen.clear();
    seen.set(kind, { since: now, repeated: 0 });
    write(error, last?.repeated ?? 0);
  };
}

const maxKinds = 100;
