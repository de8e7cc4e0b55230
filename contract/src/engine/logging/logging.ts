import { type DestinationStream, type Logger, pino } from "pino";
import { createLogShipper, type LogShipper, type ShipSocket } from "./log-ship.ts";
import { redact } from "./redact.ts";

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
  stdout?: DestinationStream;
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
  { stdout = openStdout(), connect }: LogOutputs,
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
      isConnected
        ? log.info("connected to the log aggregator")
        : log.warn("lost the connection to the log aggregator"),
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

/** Toggles between the configured level and a more verbose one. */
export function toggleLevel(log: Logger, configured: string): void {
  if (log.level !== configured) log.level = configured;
  else log.level = configured === "debug" || configured === "trace" ? "trace" : "debug";
  log.warn({ logLevel: log.level }, "log level changed");
}

/** Writes synchronously: a writer thread would lose lines when the process is killed. */
function openStdout() {
  return pino.destination({ fd: 1, sync: true });
}

/** Returns the pino options for JSON lines with named levels and ISO 8601 times. */
function logOptions(name: string, level: string) {
  return {
    level,
    base: { name },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeThrown },
    hooks: { streamWrite: redact },
  };
}

/** Errors of the store clients carry whole commands, including the data of jobs. */
function describeThrown(thrown: unknown) {
  if (!(thrown instanceof Error)) return thrown;
  const { name, message, stack } = thrown;
  return "code" in thrown ? { name, message, code: thrown.code, stack } : { name, message, stack };
}

/** Formats a warning as pino would, for messages about the log itself. */
function logLine(name: string, fields: object): string {
  return `${JSON.stringify({ level: "warn", time: new Date().toISOString(), name, ...fields })}\n`;
}
