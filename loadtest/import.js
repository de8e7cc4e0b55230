import { importFile } from "./k6/import-file.js";
import { promises, steady, summaryTrendStats, teardownTimeout } from "./k6/load.js";
import { number, readLoad } from "./k6/settings.js";
import { summarize } from "./k6/summary.js";

export { setup, teardown } from "./k6/run.js";

const { rate, duration } = readLoad({ rate: 1000, duration: "30s" });
const jobs = number("IMPORT_ROWS", 2000);

/** @type {import("k6/options").Options} */
export const options = {
  scenarios: { rows: steady("rows", { rate, duration, jobs, heldSeconds: 10 }) },
  thresholds: {
    ...promises({ perSecond: rate / jobs, quick: [] }),
    import_duration: ["p(95)<30000"],
  },
  summaryTrendStats,
  teardownTimeout,
};

/** @param {import("./k6/run.js").Run} run */
export function rows(run) {
  importFile(run, jobs);
}

export const handleSummary = summarize(`import: ${rate} rows/s for ${duration}, ${jobs} a file,`);
