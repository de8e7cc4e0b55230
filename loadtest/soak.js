import { mixtureOptions } from "./k6/mixed.js";
import { readLoad } from "./k6/settings.js";
import { summarize } from "./k6/summary.js";

export { file, many, one } from "./k6/mixed.js";
export { setup, teardown } from "./k6/run.js";

const { rate, duration } = readLoad({ rate: 100, duration: "1h" });

/** @type {import("k6/options").Options} */
export const options = mixtureOptions({ rate, duration });

export const handleSummary = summarize(`soak: ${rate} jobs/s for ${duration}, mixed,`);
