import { type Logger, pino } from "pino";

/** JSON lines straight to stdout: a transport in a thread would cost every request. */
export function createLog(level: string): Logger {
  return pino({ level, base: { name: "producer", pid: process.pid } });
}
