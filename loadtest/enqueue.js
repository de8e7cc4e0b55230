import { enqueueOne } from "./k6/enqueue-one.js";
import { promises, steady, summaryTrendStats, teardownTimeout } from "./k6/load.js";
import { names } from "./k6/requests.js";
import { readLoad } from "./k6/settings.js";
import { summarize } from "./k6/summary.js";

export { setup, teardown } from "./k6/run.js";

const { rate, duration } = readLoad({ rate: 500, duration: "30s" });

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { enqueue: steady("enqueue", { rate, duration }) },
  thresholds: promises({ perSecond: rate, quick: [names.createJob] }),
  summaryTrendStats,
  teardownTimeout,
};

/** @param {import("./k6/run.js").Run} run */
export function enqueue(run) {
  enqueueOne(run);
}

export const handleSummary = summarize(`enqueue: ${rate} jobs/s for ${duration}, one a request,`);
