import { type JobLogLine, limits } from "@toril/contract/api/job";
import { toStorableText } from "@toril/contract/api/json";
import type { JobLog } from "../observability/log.ts";

type Level = JobLogLine["level"];

const maxLength = 1000;

/** A log that also keeps its last lines as part of the job. */
export class AttemptLog implements JobLog {
  readonly lines: JobLogLine[] = [];
  readonly debug: JobLog["debug"];
  readonly info: JobLog["info"];
  readonly warn: JobLog["warn"];
  readonly error: JobLog["error"];

  /** @param scrub removes the job's secrets from a text */
  constructor(log: JobLog, scrub: (text: string) => string, onLine: (line: JobLogLine) => void) {
    const write =
      (level: Level) =>
      (...args: unknown[]) => {
        log[level](...(args as [object, string]));
        const message = toStorableText(scrub(toText(args)).slice(0, maxLength));
        const line = { at: new Date().toISOString(), level, message };
        this.lines.push(line);
        if (this.lines.length > limits.logLines) this.lines.shift();
        onLine(line);
      };
    this.debug = write("debug");
    this.info = write("info");
    this.warn = write("warn");
    this.error = write("error");
  }
}

/** Formats a line: the message, then the fields as JSON. */
function toText([first, ...rest]: unknown[]): string {
  if (first instanceof Error) return [...rest, `${first.name}: ${first.message}`].join(" ");
  if (typeof first !== "object" || first === null) return [first, ...rest].map(String).join(" ");
  return [...rest, toJson(first)].join(" ");
}

function toJson(fields: object): string {
  try {
    return JSON.stringify(fields, (_, value: unknown) =>
      value instanceof Error ? `${value.name}: ${value.message}` : value,
    );
  } catch {
    return "[not JSON]";
  }
}
