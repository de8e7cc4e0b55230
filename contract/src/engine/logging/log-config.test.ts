import { expect, test } from "bun:test";
import { z } from "zod";
import { loadEnv } from "../config/config.ts";
import { logFields } from "./log-config.ts";

const load = (env: Record<string, string>) => loadEnv(z.object(logFields), env, () => "");

test.each([
  ["logs:5170", { host: "logs", port: 5170 }],
  ["10.0.0.7:514", { host: "10.0.0.7", port: 514 }],
  ["[::1]:5170", { host: "::1", port: 5170 }],
])("%s is a valid address of an aggregator", (text, address) => {
  expect(load({ LOG_SHIP_ADDRESS: text }).LOG_SHIP_ADDRESS).toEqual(address);
});

test.each(["logs", ":5170", "logs:0", "logs:65536", "tcp://logs:5170", "::1:5170", "a b:1"])(
  "%s is not a valid address of an aggregator",
  (text) => {
    expect(() => load({ LOG_SHIP_ADDRESS: text })).toThrow("LOG_SHIP_ADDRESS must be host:port");
  },
);
