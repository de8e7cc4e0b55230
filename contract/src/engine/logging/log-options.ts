import { redact } from "./redact.ts";

/** Returns the pino options that producer and consumer share: JSON lines with named levels and ISO 8601 times. */
export function logOptions(name: string, level: string) {
  return {
    level,
    base: { name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeThrown },
    hooks: { streamWrite: redact },
  };
}

/** Errors of the store clients carry whole commands, including the data of jobs. */
function describeThrown(thrown: unknown) {
  if (!(thrown instanceof Error)) return thrown;
  const { name, message, stack } = thrown;
  return "code" in thrown ? { name, message, code: thrown.code, stack } : { name, message, stack };
}

/** Formats a warning as pino would, for messages about the log itself. */
export function logLine(name: string, fields: object): string {
  return `${JSON.stringify({ level: "warn", time: new Date().toISOString(), name, ...fields })}\n`;
}

/** Returns the level after a toggle at run time: the configured level or a more verbose one. */
export function switchedLevel(current: string, configured: string): string {
  if (current !== configured) return configured;
  return configured === "debug" || configured === "trace" ? "trace" : "debug";
}
