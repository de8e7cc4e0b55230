import { enqueueMany } from "./enqueue-many.js";
import { enqueueVariously } from "./enqueue-variously.js";
import { importFile } from "./import-file.js";
import { promises, steady, summaryTrendStats, teardownTimeout } from "./load.js";
import { names } from "./requests.js";

/** @typedef {import("./run.js").Run} Run */

const bulkSize = 50;
const fileRows = 500;

/**
 * Of ten jobs, six are sent in single requests, two in bulk requests, two as rows of files.
 * @param {import("./settings.js").Settings} load
 * @returns {import("k6/options").Options}
 */
export function mixtureOptions({ rate, duration }) {
  const tenth = Math.max(1, Math.round(rate / 10));
  return {
    scenarios: {
      one: steady("one", { rate: tenth * 6, duration }),
      many: steady("many", { rate: tenth * 2, duration, jobs: bulkSize }),
      file: steady("file", { rate: tenth * 2, duration, jobs: fileRows, heldSeconds: 10 }),
    },
    thresholds: promises({
      perSecond: tenth * 6,
      quick: [names.createJob, names.createJobs, names.getJob],
    }),
    summaryTrendStats,
    teardownTimeout,
  };
}

/** @param {Run} run */
export function one(run) {
  enqueueVariously(run);
}

/** @param {Run} run */
export function many(run) {
  enqueueMany(run, bulkSize);
}

/** @param {Run} run */
export function file(run) {
  importFile(run, fileRows);
}
