/** Fields of a log line that are the same in all lines of a process. */
const hidden = new Set(["level", "time", "pid", "hostname", "name", "msg"]);
const levels: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** Formats a line of a process for people: JSON log lines as level, message and fields, anything else as it is. */
export function formatLine(name: string, line: string): string {
  return `  ${name.padEnd(9)} ${formatJson(line) ?? line}`;
}

function formatJson(line: string): string | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    const level = levels[Number(fields["level"])];
    const others = Object.entries(fields).filter(([key]) => !hidden.has(key));
    const text = others.map(([key, value]) => `${key}=${formatValue(value)}`);
    return [level, fields["msg"], ...text].filter(Boolean).join(" ");
  } catch {
    return undefined;
  }
}

function formatValue(value: unknown): string {
  if (typeof value === "object" && value !== null && "stack" in value) return String(value.stack);
  return typeof value === "string" ? value : JSON.stringify(value);
}
