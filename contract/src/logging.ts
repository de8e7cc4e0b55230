import { type DestinationStream, type Logger, pino } from "pino";
import { logLine, logOptions } from "./log-options.ts";
import { createLogShipper, type LogShipper, type ShipSettings } from "./log-ship.ts";

/** What a stop waits for the aggregator. */
const flushMs = 2000;

export interface LoggingSettings {
  /** Of the process, in every line. */
  name: string;
  level: string;
  /** Written to in the process's own thread: one of its own would lose lines when the process is killed. */
  stdout: DestinationStream;
  /** Over TCP as well. */
  ship: Pick<ShipSettings, "connect" | "maxBuffered"> | undefined;
}

export interface Logging extends AsyncDisposable {
  log: Logger;
  shipper: LogShipper | undefined;
}

/** A process's log; disposing it ships what still waits, for two seconds at most. */
export function createLogging({ name, level, stdout, ship }: LoggingSettings): Logging {
  const options = logOptions(name, level);
  if (ship === undefined) {
    return { log: pino(options, stdout), shipper: undefined, async [Symbol.asyncDispose]() {} };
  }
  const shipper = createLogShipper({
    ...ship,
    droppedLine: (dropped) => logLine(name, { dropped, msg: "log lines were dropped" }),
    onChange: (isConnected) =>
      isConnected ? log.info("ships its log") : log.warn("lost the connection that ships its log"),
  });
  const log = pino(options, {
    write(line) {
      stdout.write(line);
      shipper.push(line);
    },
  });
  return {
    log,
    shipper,
    async [Symbol.asyncDispose]() {
      const left = await shipper.close(flushMs);
      if (left > 0) stdout.write(logLine(name, { left, msg: "log lines were not shipped" }));
    },
  };
}
