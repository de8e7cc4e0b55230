import { p99Ms, toSeconds } from "./settings.js";

/**
 * As many jobs a second as asked for, whatever the answers take: a slow service does not slow its callers down.
 * @param {string} exec the function that hands over `jobs` jobs
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
 * A tenth of the rate, then all of it within a second, then a tenth again.
 * @param {string} exec
 * @param {{ rate: number, duration: string }} load
 * @returns {import("k6/options").RampingArrivalRateScenario}
 */
export function spike(exec, { rate, duration }) {
  const calm = Math.max(1, Math.round(rate / 10));
  const fifth = Math.max(1, Math.floor(toSeconds(duration) / 5));
  const rest = Math.max(1, toSeconds(duration) - 3 * fifth - 2);
  return {
    executor: "ramping-arrival-rate",
    exec,
    startRate: calm,
    stages: [
      { target: calm, duration: `${fifth}s` },
      { target: rate, duration: "1s" },
      { target: rate, duration: `${2 * fifth}s` },
      { target: calm, duration: "1s" },
      { target: calm, duration: `${rest}s` },
    ],
    ...users(rate, 1),
  };
}

/**
 * @param {number} perSecond
 * @param {number} heldSeconds how long an iteration may take before iterations are dropped for want of users
 */
function users(perSecond, heldSeconds) {
  const preAllocatedVUs = Math.ceil(perSecond * heldSeconds) + 10;
  // What is cut off would leave open how its request ended.
  return { preAllocatedVUs, maxVUs: preAllocatedVUs * 4, gracefulStop: "10m" };
}

/**
 * What every script holds to: each answer is right, and what was accepted is settled.
 * @param {{ perSecond: number, quick: string[] }} load iterations a second, and names of requests with a latency to keep
 * @returns {NonNullable<import("k6/options").Options["thresholds"]>}
 */
export function promises({ perSecond, quick }) {
  const latencies = quick.map((name) => [`http_req_duration{name:${name}}`, [`p(99)<${p99Ms}`]]);
  return {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    jobs_unaccounted: ["count==0"],
    // A generator that cannot keep up measures itself.
    dropped_iterations: [`rate<${perSecond / 100}`],
    ...Object.fromEntries(latencies),
  };
}

export const summaryTrendStats = ["count", "med", "p(95)", "p(99)", "max"];
/** The jobs of a run are waited for and read back when its load is over. */
export const teardownTimeout = "1h";
