import { connect } from "node:net";
import { logLine, logOptions } from "@toril/contract/log-options";
import { createLogShipper, type LogShipper } from "@toril/contract/log-ship";
import { type Logger, pino } from "pino";

const name = "producer";
/** What a stop waits for the aggregator. */
const flushMs = 2000;

export interface LogSettings {
  level: string;
  shipTo: { host: string; port: number } | undefined;
  shipBufferBytes: number;
}

export interface Logging extends AsyncDisposable {
  log: Logger;
  shipper: LogShipper | undefined;
}

/** Straight to stdout: a transport in a thread would cost every request. And over TCP, when told to. */
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
