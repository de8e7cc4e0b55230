import { connect } from "node:net";
import {
  createLogging,
  type Logging,
  type LogSettings,
} from "@toril/contract/engine/logging/logging";
import { pino } from "pino";

/** To stdout, and over TCP when told to. */
export const openLogging = (settings: LogSettings): Logging =>
  createLogging("producer", settings, { stdout: pino.destination({ fd: 1, sync: true }), connect });
