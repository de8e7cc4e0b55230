/** What both processes' log lines have in common, as options of pino: JSON lines with named levels and ISO times. */
export function logOptions(name: string, level: string) {
  return {
    level,
    base: { name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeThrown },
  };
}

/** Clients of stores hang whole commands on their errors, with the data of jobs in them. */
function describeThrown(thrown: unknown) {
  if (!(thrown instanceof Error)) return thrown;
  const { name, message, stack } = thrown;
  return "code" in thrown ? { name, message, code: thrown.code, stack } : { name, message, stack };
}
