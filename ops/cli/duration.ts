import { parseDuration as parse } from "@toril/contract/api/duration";
import { UsageError } from "./command.ts";

/** The value of an option, like `90s`, `15m`, `12h` or `30d`, in milliseconds. */
export function parseDuration(option: string, text: string): number {
  const ms = parse(text);
  if (ms === undefined) {
    throw new UsageError(`--${option} wants a time like 90s, 15m, 12h or 30d, not "${text}"`);
  }
  return ms;
}
