import { expect, test } from "bun:test";
import { z } from "zod";
import { loadEnv } from "../config/config.ts";
import { traceFields, toTraceSettings } from "./settings.ts";

const load = (env: Record<string, string>) =>
  toTraceSettings(
    loadEnv(z.object(traceFields), env, () => "a=secret"),
    "toril-test",
  );

test("tracing is off without an endpoint", () => {
  expect(load({ OTEL_SERVICE_NAME: "shop", OTEL_TRACES_SAMPLER: "always_on" })).toBeUndefined();
});

test("an endpoint turns tracing on with defaults", () => {
  expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" })).toEqual({
    url: "http://collector:4318/v1/traces",
    headers: {},
    attributes: { "service.name": "toril-test" },
    sampler: "parentbased_always_on",
    ratio: 1,
  });
});

test("OpenTelemetry's standard variables are supported", () => {
  expect(
    load({
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector/otlp/",
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Basic%20a%3D, x-tenant = 7",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=other,deployment.environment.name=staging",
      OTEL_SERVICE_NAME: "gate",
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.25",
    }),
  ).toEqual({
    url: "https://collector/otlp/v1/traces",
    headers: { authorization: "Basic a=", "x-tenant": "7" },
    attributes: { "service.name": "gate", "deployment.environment.name": "staging" },
    sampler: "parentbased_traceidratio",
    ratio: 0.25,
  });
});

test.each([
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be an http:// or https:// address"],
  ["OTEL_EXPORTER_OTLP_HEADERS", "authorization", "must be a list like a=b,c=d"],
  ["OTEL_EXPORTER_OTLP_HEADERS", "a=%", "must be a list like a=b,c=d"],
  ["OTEL_TRACES_SAMPLER", "some", "must be one of always_on, always_off, traceidratio, "],
  ["OTEL_TRACES_SAMPLER_ARG", "2", "must be a number from 0 to 1"],
  ["OTEL_TRACES_SAMPLER_ARG", "half", "must be a number from 0 to 1"],
])("%s=%s is refused", (name, value, message) => {
  expect(() => load({ [name]: value })).toThrow(`${name} ${message}`);
});

test("headers can be read from a file", () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://c",
    OTEL_EXPORTER_OTLP_HEADERS_FILE: "/run/h",
  };
  expect(load(env)?.headers).toEqual({ a: "secret" });
});
