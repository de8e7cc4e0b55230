import { connect } from "node:net";
import {
  createLogging,
  type Logging,
  type LogSettings,
} from "@toril/contract/engine/logging/logging";
import { pino } from "pino";

/** Logs to stdout, and also over TCP if configured. */
export const openLogging = (settings: LogSettings): Logging =>
  createLogging("producer", settings, { stdout: pino.destination({ fd: 1, sync: true }), connect });
