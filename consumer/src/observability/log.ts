import type { Scrub } from "@toril/contract/engine/secrets/scrub";
import type { Logger } from "pino";

export type Log = Logger;
export type JobLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** Wraps a log and removes the job's secrets from its lines. */
export function scrubbedLog(log: JobLog, scrub: Scrub): JobLog {
  const write =
    (level: keyof JobLog) =>
    (first: unknown, ...rest: unknown[]) => {
      const fields = first instanceof Error ? { err: first } : first;
      const message = first instanceof Error && rest.length === 0 ? [first.message] : rest;
      // Scrubbing keeps the argument types that pino accepts.
      const line = [fields, ...message].map(scrub.value) as [object, string];
      log[level](...line);
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
