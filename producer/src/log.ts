import { connect } from "node:net";
import { createLogging, type Logging } from "@toril/contract/logging";
import { pino } from "pino";

export interface LogSettings {
  level: string;
  shipTo: { host: string; port: number } | undefined;
  shipBufferBytes: number;
}

/** To stdout, and over TCP when told to. */
export function openLogging({ level, shipTo, shipBufferBytes }: LogSettings): Logging {
  return createLogging({
    name: "producer",
    level,
    stdout: pino.destination({ fd: 1, sync: true }),
    ship: shipTo && {
      connect: () =>
        connect({ ...shipTo, keepAlive: true, noDelay: true })
          .on("error", () => {})
          .resume(),
      maxBuffered: shipBufferBytes,
    },
  });
}
