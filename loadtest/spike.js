import { enqueueUntilAccepted } from "./k6/enqueue-until-accepted.js";
import { promises, spike, summaryTrendStats, teardownTimeout } from "./k6/load.js";
import { readLoad } from "./k6/settings.js";
import { summarize } from "./k6/summary.js";

export { setup, teardown } from "./k6/run.js";

const { rate, duration } = readLoad({ rate: 1000, duration: "30s" });
const baseRate = Math.max(1, Math.round(rate / 10));

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { persistent: spike("persistent", { rate, duration }) },
  thresholds: promises({ perSecond: rate, quick: [] }),
  summaryTrendStats,
  teardownTimeout,
};

/** @param {import("./k6/run.js").Run} run */
export function persistent(run) {
  enqueueUntilAccepted(run);
}

export const handleSummary = summarize(
  `spike: ${baseRate}, ${rate}, ${baseRate} jobs/s for ${duration}, one a request,`,
);
