import { p99Ms, toSeconds } from "./settings.js";

/**
 * Sends jobs at a constant rate, independent of response times.
 * @param {string} exec function that enqueues `jobs` jobs
 * @param {{ rate: number, duration: string, jobs?: number, heldSeconds?: number }} load
 * @returns {import("k6/options").ConstantArrivalRateScenario}
 */
export function steady(exec, { rate, duration, jobs = 1, heldSeconds = 0.5 }) {
  return {
    executor: "constant-arrival-rate",
    exec,
    rate,
    timeUnit: `${jobs}s`,
    duration,
    ...users(rate / jobs, heldSeconds),
  };
}

/**
 * Ramps from a tenth of the rate to the full rate within a second, and back.
 * @param {string} exec
 * @param {{ rate: number, duration: string }} load
 * @returns {import("k6/options").RampingArrivalRateScenario}
 */
export function spike(exec, { rate, duration }) {
  const baseRate = Math.max(1, Math.round(rate / 10));
  const fifth = Math.max(1, Math.floor(toSeconds(duration) / 5));
  const rest = Math.max(1, toSeconds(duration) - 3 * fifth - 2);
  return {
    executor: "ramping-arrival-rate",
    exec,
    startRate: baseRate,
    stages: [
      { target: baseRate, duration: `${fifth}s` },
      { target: rate, duration: "1s" },
      { target: rate, duration: `${2 * fifth}s` },
      { target: baseRate, duration: "1s" },
      { target: baseRate, duration: `${rest}s` },
    ],
    ...users(rate, 1),
  };
}

/**
 * @param {number} perSecond
 * @param {number} heldSeconds expected maximum duration of an iteration
 */
function users(perSecond, heldSeconds) {
  const preAllocatedVUs = Math.ceil(perSecond * heldSeconds) + 10;
  // Aborted iterations would leave requests with unknown outcomes.
  return { preAllocatedVUs, maxVUs: preAllocatedVUs * 4, gracefulStop: "10m" };
}

/**
 * Thresholds of every script: each response is correct, and each accepted job is settled.
 * @param {{ perSecond: number, quick: string[] }} load iterations per second, and names of requests with a latency limit
 * @returns {NonNullable<import("k6/options").Options["thresholds"]>}
 */
export function promises({ perSecond, quick }) {
  const latencies = quick.map((name) => [`http_req_duration{name:${name}}`, [`p(99)<${p99Ms}`]]);
  return {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    jobs_unaccounted: ["count==0"],
    // Otherwise k6 is the bottleneck.
    dropped_iterations: [`rate<${perSecond / 100}`],
    ...Object.fromEntries(latencies),
  };
}

export const summaryTrendStats = ["count", "med", "p(95)", "p(99)", "max"];
/** Time to wait for the jobs after the load and to read them back. */
export const teardownTimeout = "1h";
