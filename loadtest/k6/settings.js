/**
 * @typedef {object} Settings
 * @property {number} rate jobs per second
 * @property {string} duration as k6 writes it: "30s", "1m30s"
 */

export const baseUrl = (variable("BASE_URL") ?? "http://127.0.0.1:3000").replace(/\/+$/, "");
export const apiKey = variable("API_KEY");
/** Limit for the 99th percentile of response times. */
export const p99Ms = number("P99_MS", 1000);
/** Maximum time until all jobs are settled after the load. */
export const settleSeconds = number("SETTLE_SECONDS", 300);
/** Also writes the summary as JSON to this file. */
export const summaryFile = variable("SUMMARY_JSON");

/**
 * @param {Settings} defaults of a script
 * @returns {Settings} overrides from the environment
 */
export function readLoad({ rate, duration }) {
  const load = { rate: number("RATE", rate), duration: variable("DURATION") ?? duration };
  toSeconds(load.duration);
  return load;
}

/**
 * @param {string} name
 * @param {number} fallback
 */
export function number(name, fallback) {
  const text = variable(name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name} must be a whole number above 0, not "${text}"`);
}

/** @param {string} duration */
export function toSeconds(duration) {
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration);
  const [hours, minutes, seconds] = [1, 2, 3].map((part) => Number(match?.[part] ?? 0));
  const total = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  if (total > 0) return total;
  throw new Error(`DURATION must look like 30s, 5m or 1h30m, not "${duration}"`);
}

/** @param {string} name */
function variable(name) {
  const value = __ENV[name];
  return value === "" ? undefined : value;
}
