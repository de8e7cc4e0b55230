import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { ConfigError, loadEnv, storeFields } from "./config.ts";
import { toRedisServers } from "./redis-config.ts";

const Schema = z.object(storeFields);
const ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
const key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";

type Variables = Record<string, string>;

function _load(env: Variables) {
  const DATABASE_URL = "postgres://toril@127.0.0.1/toril";
  return toRedisServers(loadEnv(Schema, { DATABASE_URL, ...env }, () => `${ca}\n`));
}

function _refusal(env: Variables) {
  try {
    _load(env);
    return "none";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const single = { REDIS_URL: "redis://r" };
const sentinel = { REDIS_SENTINELS: "s1,s2", REDIS_SENTINEL_MASTER: "toril" };
const cluster = { REDIS_CLUSTER_NODES: "c1,c2" };

describe("an invalid Redis configuration is refused", () => {
  test.each<[Variables, string]>([
    [{}, "REDIS_URL is missing"],
    [{ REDIS_PORT: "6379", REDIS_PASSWORD: "x" }, "REDIS_URL is missing"],
    [{ ...single, ...sentinel }, "REDIS_URL and REDIS_SENTINELS are both set"],
    [{ REDIS_HOST: "r", ...cluster }, "REDIS_HOST and REDIS_CLUSTER_NODES are both set"],
    [{ ...sentinel, ...cluster }, "REDIS_SENTINELS and REDIS_CLUSTER_NODES are both set"],
    [{ REDIS_SENTINELS: "s1" }, "REDIS_SENTINEL_MASTER is missing"],
    [{ ...single, REDIS_SENTINEL_MASTER: "m" }, "REDIS_SENTINEL_MASTER needs REDIS_SENTINELS"],
    [{ ...cluster, REDIS_SENTINEL_PASSWORD: "x" }, "REDIS_SENTINEL_PASSWORD needs REDIS_SENTINELS"],
    [
      { ...sentinel, REDIS_SENTINEL_USERNAME: "u" },
      "REDIS_SENTINEL_USERNAME needs REDIS_SENTINEL_PASSWORD",
    ],
    [{ ...cluster, REDIS_USERNAME: "u" }, "REDIS_USERNAME needs REDIS_PASSWORD"],
    [
      { REDIS_URL: "redis://:hunter2@r", REDIS_PASSWORD: "x" },
      "REDIS_PASSWORD and a password in REDIS_URL are both set",
    ],
    [
      { ...cluster, REDIS_CLUSTER_NODES: "c1,,c2" },
      "REDIS_CLUSTER_NODES must be a list of host:port",
    ],
    [
      { ...sentinel, REDIS_SENTINELS: "redis://s1:26379" },
      "REDIS_SENTINELS must be a list of host:port",
    ],
    [
      { ...single, REDIS_TLS: "true" },
      "REDIS_TLS and REDIS_URL are both set: use redis:// or rediss://",
    ],
    [{ ...cluster, REDIS_TLS: "maybe" }, "REDIS_TLS must be true or false"],
    [{ ...single, REDIS_TLS_CA: ca }, "REDIS_TLS_CA needs a rediss:// address"],
    [{ ...cluster, REDIS_TLS_CA: ca }, "REDIS_TLS_CA needs REDIS_TLS"],
    [
      { REDIS_URL: "rediss://r", REDIS_TLS_CA: "/run/ca.pem" },
      "REDIS_TLS_CA must be PEM text; <NAME>_FILE names a file",
    ],
    [{ REDIS_URL: "rediss://r", REDIS_TLS_KEY: key }, "REDIS_TLS_KEY needs REDIS_TLS_CERT"],
    [{ REDIS_URL: "rediss://r", REDIS_TLS_CERT: ca }, "REDIS_TLS_CERT needs REDIS_TLS_KEY"],
  ])("when it is %j", (env, message) => {
    expect(_refusal(env)).toBe(message);
  });
});

describe("the deployment of Redis is configured", () => {
  test("by a URL that contains user and encryption", () => {
    const url = "rediss://user:secret@r:6380/2";
    expect(_load({ REDIS_URL: url, REDIS_TLS_CA_FILE: "/run/ca.pem" })).toEqual({
      kind: "single",
      url,
      options: { tls: { ca } },
    });
  });

  test("by a host", () => {
    const env = { REDIS_HOST: "r", REDIS_TLS: "true", REDIS_USERNAME: "u", REDIS_PASSWORD: "x" };
    expect(_load(env)).toEqual({
      kind: "single",
      url: "rediss://r:6379",
      options: { username: "u", password: "x", tls: {} },
    });
  });

  test("by Sentinels, which may have a password of their own", () => {
    const env = {
      REDIS_SENTINELS: "s1, s2:26380,[::1]:26381",
      REDIS_SENTINEL_MASTER: "toril",
      REDIS_SENTINEL_PASSWORD: "y",
      REDIS_PASSWORD: "x",
      REDIS_TLS: "true",
      REDIS_TLS_CERT: ca,
      REDIS_TLS_KEY: key,
    };
    const tls = { cert: ca, key };
    expect(_load(env)).toEqual({
      kind: "sentinel",
      options: {
        sentinels: [
          { host: "s1", port: 26379 },
          { host: "s2", port: 26380 },
          { host: "::1", port: 26381 },
        ],
        name: "toril",
        sentinelPassword: "y",
        sentinelTLS: tls,
        enableTLSForSentinelMode: true,
        password: "x",
        tls,
      },
    });
  });

  test("by some nodes of a Cluster", () => {
    expect(_load({ REDIS_CLUSTER_NODES: "c1,c2:7000", REDIS_PASSWORD: "x" })).toEqual({
      kind: "cluster",
      nodes: [
        { host: "c1", port: 6379 },
        { host: "c2", port: 7000 },
      ],
      options: { password: "x" },
    });
  });
});
