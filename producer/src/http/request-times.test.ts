import { expect, test } from "bun:test";
import { Histogram, Registry } from "prom-client";
import { createRequestTimes } from "./request-times.ts";

test("the metric renders like prom-client's own histogram", async () => {
  const own = new Registry();
  const requests = createRequestTimes("seconds", "How long");
  own.registerMetric(requests.metric);
  const theirs = new Registry();
  const histogram = new Histogram({
    name: "seconds",
    help: "How long",
    labelNames: ["method", "route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [theirs],
  });
  expect(await own.metrics()).toBe(await theirs.metrics());
  for (const [method, route, status, seconds] of [
    ["POST", "/v1/jobs", 201, 0.002],
    ["POST", "/v1/jobs", 201, 0.0021],
    ["POST", "/v1/jobs", 201, 7],
    ["POST", "/v1/jobs", 422, 0],
    ["GET", "/v1/jobs", 200, 0.3],
    ['A"\\', "other\n", 404, 5],
  ] as const) {
    requests.observe({ method, route, status }, seconds);
    histogram.observe({ method, route, status }, seconds);
  }
  const lines = async (registry: Registry) => (await registry.metrics()).split("\n").toSorted();
  expect(await lines(own)).toEqual(await lines(theirs));
});
