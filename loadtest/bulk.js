import { enqueueMany } from "./k6/enqueue-many.js";
import { promises, steady, summaryTrendStats, teardownTimeout } from "./k6/load.js";
import { names } from "./k6/requests.js";
import { number, readLoad } from "./k6/settings.js";
import { summarize } from "./k6/summary.js";

export { setup, teardown } from "./k6/run.js";

const { rate, duration } = readLoad({ rate: 1000, duration: "30s" });
const jobs = number("BULK_SIZE", 100);

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { bulk: steady("bulk", { rate, duration, jobs }) },
  thresholds: promises({ perSecond: rate / jobs, quick: [names.createJobs] }),
  summaryTrendStats,
  teardownTimeout,
};

/** @param {import("./k6/run.js").Run} run */
export function bulk(run) {
  enqueueMany(run, jobs);
}

export const handleSummary = summarize(`bulk: ${rate} jobs/s for ${duration}, ${jobs} a request,`);
