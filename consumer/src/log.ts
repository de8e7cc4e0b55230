import { connect } from "node:net";
import { logLine, logOptions } from "@toril/contract/log-options";
import { createLogShipper, type LogShipper } from "@toril/contract/log-ship";
import type { Scrub } from "@toril/contract/secret/scrub";
import { pino, type DestinationStream, type Logger } from "pino";

export type Log = Logger;
export type JobLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

const name = "consumer";
/** What a stop waits for the aggregator. */
const flushMs = 2000;

export interface LogSettings {
  level: string;
  shipTo: { host: string; port: number } | undefined;
  shipBufferBytes: number;
}

export interface Logging extends AsyncDisposable {
  log: Log;
  shipper: LogShipper | undefined;
}

/** Straight to stdout: a worker transport loses lines when the process is killed. And over TCP, when told to. */
export function openLogging({ level, shipTo, shipBufferBytes }: LogSettings): Logging {
  const options = logOptions(name, level);
  if (shipTo === undefined) {
    return { log: pino(options), shipper: undefined, async [Symbol.asyncDispose]() {} };
  }
  const stdout = pino.destination({ fd: 1, sync: true });
  const shipper = createLogShipper({
    connect: () =>
      connect({ ...shipTo, keepAlive: true, noDelay: true })
        .on("error", () => {})
        .resume(),
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

export function createLog(level: string, destination: DestinationStream): Log {
  return pino(logOptions(name, level), destination);
}

/** A log whose lines do not tell a job's secrets. */
export function scrubbedLog(log: JobLog, scrub: Scrub): JobLog {
  const write =
    (level: keyof JobLog) =>
    (first: unknown, ...rest: unknown[]) => {
      const fields = first instanceof Error ? { err: first } : first;
      const message = first instanceof Error && rest.length === 0 ? [first.message] : rest;
      // What pino takes is what it was given.
      const line = [fields, ...message].map(scrub.value) as [object, string];
      log[level](...line);
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
