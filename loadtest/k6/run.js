import exec from "k6/execution";
import { countAccepted, readBack } from "./account.js";
import { checkAccepted, textOf } from "./answers.js";
import { postJob } from "./requests.js";
import { baseUrl } from "./settings.js";

/**
 * @typedef {object} Run
 * @property {string} mark unique prefix of the messages of this run
 * @property {string} since lower bound of createdAt of this run's jobs, by the service's clock
 * @property {number} startedAt start of the load in Unix milliseconds, by this machine's clock
 */

// Maximum clock skew between producers.
const skewMs = 10_000;

/**
 * Enqueues one job, so that a wrong address or key fails before the load.
 * @returns {Run}
 */
export function setup() {
  const random = Math.floor(Math.random() * 2 ** 32).toString(36);
  const mark = `${Date.now().toString(36)}-${random}/`;
  const response = postJob(echo(`${mark}first`));
  const job = checkAccepted(response);
  if (job === undefined) {
    const answer = response.error || `${response.status} ${textOf(response)}`;
    throw new Error(`${baseUrl} does not accept jobs (BASE_URL, API_KEY): ${answer}`);
  }
  countAccepted(1);
  const since = new Date(Date.parse(job.createdAt) - skewMs).toISOString();
  return { mark, since, startedAt: Date.now() };
}

/** @param {Run} run */
export function teardown(run) {
  readBack(run);
}

/**
 * Returns a unique message, padded to a body of about 150 bytes.
 * @param {Run} run
 */
export function ownMessage({ mark }) {
  const { name, iterationInTest } = exec.scenario;
  return `${mark}${name}-${iterationInTest}`.padEnd(110, ".");
}

/**
 * @param {string} message
 * @param {{ sleepMs?: number, failures?: number }} [data]
 * @returns {import("@toril/contract/api/jobs/job-request").JobRequest}
 */
export function echo(message, data = {}) {
  return { type: "echo", data: { message, ...data } };
}
