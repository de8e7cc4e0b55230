import { expect, test } from "bun:test";
import { Counter, Histogram, Registry } from "prom-client";
import { createLabelledCounter, createLabelledHistogram } from "./labelled-metrics.ts";

test("counters and histograms render as those of prom-client", async () => {
  const [theirs, ours] = [new Registry(), new Registry()];
  const described = { help: "What is counted", labelNames: ["queue", "type"] };
  const bounds = [0.1, 1];
  const counter = new Counter({ ...described, name: "jobs_total", registers: [theirs] });
  const histogram = new Histogram({
    ...described,
    name: "job_seconds",
    buckets: bounds,
    registers: [theirs],
  });
  const counted = createLabelledCounter({ ...described, name: "jobs_total" });
  const observed = createLabelledHistogram({ ...described, name: "job_seconds", bounds });
  ours.registerMetric(counted.metric);
  ours.registerMetric(observed.metric);
  for (const [queue, type, value] of [
    ["default", "echo", 0.05],
    ["default", "row.import", 0.1],
    ["other", "echo", 2],
    ["default", "echo", 0.5],
  ] as const) {
    counter.inc({ queue, type }, value);
    histogram.observe({ queue, type }, value);
    counted.add(value, queue, type);
    observed.observe(value, queue, type);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test("a histogram without labels has its series from the start", async () => {
  const [theirs, ours] = [new Registry(), new Registry()];
  const described = { name: "batch_seconds", help: "What is observed" };
  const histogram = new Histogram({ ...described, buckets: [1], registers: [theirs] });
  const observed = createLabelledHistogram({ ...described, labelNames: [], bounds: [1] });
  ours.registerMetric(observed.metric);
  expect(await ours.metrics()).toBe(await theirs.metrics());
  histogram.observe(2);
  observed.observe(2);
  expect(await ours.metrics()).toBe(await theirs.metrics());
});
