import { logOptions } from "@toril/contract/log-options";
import { type Logger, pino } from "pino";

/** Straight to stdout: a transport in a thread would cost every request. */
export function createLog(level: string): Logger {
  return pino(logOptions("producer", level));
}
