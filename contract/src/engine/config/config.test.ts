import { describe, expect, test } from "bun:test";
import { z } from "zod";
import {
  ConfigError,
  flag,
  loadEnv,
  milliseconds,
  port,
  storeFields,
  wholeNumber,
} from "./config.ts";

const Schema = z.object({
  ...storeFields,
  PORT: port().default(3000),
  SIZE: wholeNumber(1, 100).default(10),
  WAIT_MS: milliseconds(0).optional(),
  IS_ON: flag.default(false),
});

const stores = {
  REDIS_URL: "redis://127.0.0.1:6379",
  DATABASE_URL: "postgres://toril:secret@127.0.0.1/toril",
};
const files: Record<string, string> = {
  "/run/redis": "redis://:from-file@127.0.0.1:6379\n",
  "/run/empty": "\n",
};
function _readFile(path: string) {
  const text = files[path];
  if (text === undefined) throw new Error(`no such file, ${path}`);
  return text;
}
const _load = (env: Record<string, string | undefined>) => loadEnv(Schema, env, _readFile);
function _refusal(env: Record<string, string | undefined>) {
  try {
    _load(env);
    return "none";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe("a configuration is refused", () => {
  test.each([
    [{}, "REDIS_URL is missing; DATABASE_URL is missing"],
    [{ ...stores, DATABASE_URL: "  " }, "DATABASE_URL is missing"],
    [
      { ...stores, REDIS_URL: "127.0.0.1:6379" },
      "REDIS_URL must be a redis:// or rediss:// address",
    ],
    [{ ...stores, DATABASE_URL: "mysql://a" }, "DATABASE_URL must be a postgres:// address"],
    [{ ...stores, PORT: "65536" }, "PORT must be a whole number from 0 to 65535"],
    [{ ...stores, SIZE: "1e3" }, "SIZE must be a whole number from 1 to 100"],
    [{ ...stores, SIZE: "0" }, "SIZE must be a whole number from 1 to 100"],
    [{ ...stores, WAIT_MS: "-1" }, "WAIT_MS must be a whole number from 0 to 86400000"],
    [{ ...stores, IS_ON: "maybe" }, "IS_ON must be true or false"],
    [
      { ...stores, BULL_PREFIX: "{bull}" },
      "BULL_PREFIX must be text without spaces, colons and braces",
    ],
    [
      { ...stores, PORT: "x", IS_ON: "x" },
      "PORT must be a whole number from 0 to 65535; IS_ON must be true or false",
    ],
    [
      { DATABASE_URL: stores.DATABASE_URL, REDIS_HOST: "redis", REDIS_PORT: "x" },
      "REDIS_URL must be a redis:// or rediss:// address; REDIS_PORT must be a whole number from 0 to 65535",
    ],
    [
      { ...stores, REDIS_URL: undefined, REDIS_URL_FILE: "/run/none" },
      "REDIS_URL_FILE cannot be read: no such file, /run/none",
    ],
    [{ ...stores, REDIS_URL: undefined, REDIS_URL_FILE: "/run/empty" }, "REDIS_URL is missing"],
    [{ ...stores, REDIS_URL_FILE: "/run/redis" }, "REDIS_URL and REDIS_URL_FILE are both set"],
  ])("when it is %j", (env: Record<string, string | undefined>, message) => {
    expect(_refusal(env)).toBe(message);
  });

  test("without its secrets in the message", () => {
    expect(_refusal({ REDIS_URL: "http://:hunter2@redis", DATABASE_URL: "hunter2" })).not.toContain(
      "hunter2",
    );
  });
});

describe("a configuration is loaded", () => {
  test("with defaults, and without the variables it does not know", () => {
    expect(_load({ ...stores, HOME: "/root", PORT: "" })).toEqual({
      ...stores,
      BULL_PREFIX: "bull",
      PORT: 3000,
      SIZE: 10,
      IS_ON: false,
    });
  });

  test("with numbers and flags in place of their texts", () => {
    expect(_load({ ...stores, PORT: " 80 ", SIZE: "100", WAIT_MS: "0", IS_ON: "1" })).toMatchObject(
      {
        PORT: 80,
        SIZE: 100,
        WAIT_MS: 0,
        IS_ON: true,
      },
    );
  });

  test("with a secret from a file", () => {
    const env = { ...stores, REDIS_URL: undefined, REDIS_URL_FILE: "/run/redis" };

    expect(_load(env)).toMatchObject({ REDIS_URL: "redis://:from-file@127.0.0.1:6379" });
  });

  test.each([
    [{ REDIS_HOST: "redis" }, "redis://redis:6379"],
    [{ REDIS_HOST: "redis", REDIS_PORT: "7000" }, "redis://redis:7000"],
    [{ REDIS_HOST: "::1", REDIS_PORT: "7000" }, "redis://[::1]:7000"],
    [{ REDIS_HOST: "redis", REDIS_URL: "redis://other" }, "redis://other"],
  ])("with the Redis of %j", (env, url) => {
    expect(_load({ DATABASE_URL: stores.DATABASE_URL, ...env })).toMatchObject({ REDIS_URL: url });
  });
});
