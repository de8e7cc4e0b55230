import { redact } from "./redact.ts";

/** What both processes' log lines have in common, as options of pino: JSON lines with named levels and ISO times. */
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

/** Clients of stores hang whole commands on their errors, with the data of jobs in them. */
function describeThrown(thrown: unknown) {
  if (!(thrown instanceof Error)) return thrown;
  const { name, message, stack } = thrown;
  return "code" in thrown ? { name, message, code: thrown.code, stack } : { name, message, stack };
}

/** As pino would write it, for what tells about the log itself. */
export function logLine(name: string, fields: object): string {
  return `${JSON.stringify({ level: "warn", time: new Date().toISOString(), name, ...fields })}\n`;
}

/** What a switch at run time changes to: between the level that was configured and a more talkative one. */
export function switchedLevel(current: string, configured: string): string {
  if (current !== configured) return configured;
  return configured === "debug" || configured === "trace" ? "trace" : "debug";
}
