import { UsageError } from "./command.ts";

const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `15m`, `12h`, `30d` in milliseconds. */
export function parseDuration(option: string, text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([smhd])$/.exec(text) ?? [];
  if (count === undefined) {
    throw new UsageError(`--${option} wants a time like 90s, 15m, 12h or 30d, not "${text}"`);
  }
  return Number(count) * unitMs[unit as keyof typeof unitMs];
}
