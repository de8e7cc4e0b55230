import { ConfigError } from "@toril/contract/engine/config/config";
import { z } from "zod";
import type { PrometheusSettings } from "./query-prometheus.ts";

export const prometheusFields = {
  PROMETHEUS_URL: z
    .url({ protocol: /^https?$/, error: "must be an https:// or http:// address" })
    .optional()
    .describe(
      "Prometheus that scrapes the service; `/console` reads longer periods from it: `http://prometheus:9090`. The URL may contain a path prefix and `user:password@`, and a private address",
    ),
  PROMETHEUS_TOKEN: z
    .string()
    .min(1)
    .optional()
    .describe("bearer token for that Prometheus, instead of user and password"),
  PROMETHEUS_MATCHERS: z
    .string()
    .regex(
      /^\w+(=|!=|=~|!~)"[^"\\{}]*"(,\s*\w+(=|!=|=~|!~)"[^"\\{}]*")*$/,
      'must be label matchers like namespace="jobs"',
    )
    .optional()
    .describe(
      'label matchers of the series of this service, if that Prometheus scrapes several: `namespace="jobs"`',
    ),
};

type PrometheusConfig = z.output<z.ZodObject<typeof prometheusFields>>;

/** Returns undefined if no Prometheus is configured. */
export function toPrometheusSettings(config: PrometheusConfig): PrometheusSettings | undefined {
  const { PROMETHEUS_URL, PROMETHEUS_TOKEN: token, PROMETHEUS_MATCHERS: matchers = "" } = config;
  if (PROMETHEUS_URL === undefined) return undefined;
  const url = new URL(PROMETHEUS_URL);
  const { username, password } = url;
  if (username !== "" && token !== undefined) {
    throw new ConfigError("PROMETHEUS_TOKEN and a user in PROMETHEUS_URL are both set");
  }
  // fetch refuses addresses with a user.
  url.username = "";
  url.password = "";
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const basic = username === "" ? undefined : `Basic ${Buffer.from(user).toString("base64")}`;
  return {
    url: url.href.replace(/\/$/, ""),
    authorization: token === undefined ? basic : `Bearer ${token}`,
    matchers,
  };
}
