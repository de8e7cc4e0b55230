import { z } from "zod";
import { wholeNumber } from "../config/config-fields.ts";

/** Log shipping over TCP, in addition to stdout. */
export const logShipFields = {
  LOG_SHIP_ADDRESS: z
    .string()
    .regex(/^(?:\[[0-9a-f:.]+\]|[^\s:/[\]]+):\d{1,5}$/i, "must be host:port")
    .transform(toAddress)
    .refine(({ port }) => port > 0 && port < 65_536, "must be host:port")
    .optional()
    .describe("`host:port` to which log lines are sent over TCP as well"),
  LOG_SHIP_BUFFER_BYTES: wholeNumber(100_000, 1_000_000_000)
    .default(8_000_000)
    .describe("what may wait for that address, in characters; more is dropped and counted"),
};

function toAddress(text: string) {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon).replaceAll(/[[\]]/g, "");
  return { host, port: Number(text.slice(colon + 1)) };
}
