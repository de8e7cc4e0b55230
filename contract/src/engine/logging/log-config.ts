import { z } from "zod";
import { wholeNumber } from "../config/config-fields.ts";
import type { LogSettings } from "./logging.ts";

export const logFields = {
  LOG_LEVEL: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("log level; logs are JSON lines on stdout, and `debug` logs every request"),
  LOG_SHIP_ADDRESS: z
    .string()
    .regex(/^(?:\[[0-9a-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/i, "must be host:port")
    .transform(toAddress)
    .refine(({ port }) => port > 0 && port < 65_536, "must be host:port")
    .optional()
    .describe("`host:port` that also receives the log lines, over TCP"),
  LOG_SHIP_BUFFER_BYTES: wholeNumber(100_000, 1_000_000_000)
    .default(8_000_000)
    .describe(
      "maximum length of the buffer for `LOG_SHIP_ADDRESS`, in characters; beyond it, the oldest lines are dropped and counted",
    ),
};

/** Builds the settings of the log. */
export function toLogSettings(config: z.output<z.ZodObject<typeof logFields>>): LogSettings {
  return {
    level: config.LOG_LEVEL,
    shipTo: config.LOG_SHIP_ADDRESS,
    shipBufferBytes: config.LOG_SHIP_BUFFER_BYTES,
  };
}

function toAddress(text: string) {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon).replaceAll(/[[\]]/g, "");
  return { host, port: Number(text.slice(colon + 1)) };
}
