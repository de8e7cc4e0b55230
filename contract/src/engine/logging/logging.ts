import { type DestinationStream, type Logger, pino } from "pino";
import { logLine, logOptions } from "./log-options.ts";
import { createLogShipper, type LogShipper, type ShipSocket } from "./log-ship.ts";

/** How long shutdown waits for the log aggregator. */
const flushMs = 2000;

interface Address {
  host: string;
  port: number;
}

export interface LogSettings {
  level: string;
  /** Log aggregator that also receives the lines, over TCP. */
  shipTo?: Address | undefined;
  /** Maximum length of the shipping buffer, in characters. */
  shipBufferBytes: number;
}

interface Socket extends ShipSocket {
  on(event: "error", listener: () => void): unknown;
  resume(): unknown;
}

export interface LogOutputs {
  /** Written synchronously: a writer thread would lose lines when the process is killed. */
  stdout: DestinationStream;
  /** `connect` of `node:net`. */
  connect(options: Address & { keepAlive: boolean; noDelay: boolean }): Socket;
}

export interface Logging extends AsyncDisposable {
  log: Logger;
  shipper: LogShipper | undefined;
}

/**
 * Creates the log of a process; disposal ships the buffered lines, for two seconds at most.
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
