import { type DestinationStream, type Logger, pino } from "pino";
import { logLine, logOptions } from "./log-options.ts";
import { createLogShipper, type LogShipper, type ShipSocket } from "./log-ship.ts";

/** What a stop waits for the aggregator. */
const flushMs = 2000;

interface Address {
  host: string;
  port: number;
}

export interface LogSettings {
  level: string;
  /** Where lines go over TCP as well. */
  shipTo?: Address | undefined;
  /** What may wait for that address, in characters. */
  shipBufferBytes: number;
}

interface Socket extends ShipSocket {
  on(event: "error", listener: () => void): unknown;
  resume(): unknown;
}

export interface LogOutputs {
  /** Written to in the process's own thread: one of its own would lose lines when the process is killed. */
  stdout: DestinationStream;
  /** As `node:net` has it. */
  connect(options: Address & { keepAlive: boolean; noDelay: boolean }): Socket;
}

export interface Logging extends AsyncDisposable {
  log: Logger;
  shipper: LogShipper | undefined;
}

/**
 * A process's log; disposing it ships what still waits, for two seconds at most.
 * @param name of the process, in every line
 */
export function createLogging(
  name: string,
  { level, shipTo, shipBufferBytes }: LogSettings,
  { stdout, connect }: LogOutputs,
): Logging {
  const options = logOptions(name, level);
  if (shipTo === undefined) {
    return { log: pino(options, stdout), shipper: undefined, async [Symbol.asyncDispose]() {} };
  }
  const shipper = createLogShipper({
    connect() {
      const socket = connect({ ...shipTo, keepAlive: true, noDelay: true });
      socket.on("error", () => {});
      socket.resume();
      return socket;
    },
    maxBuffered: shipBufferBytes,
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
