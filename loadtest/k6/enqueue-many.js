import { countAccepted } from "./account.js";
import { checkBulk } from "./answers.js";
import { postJobs } from "./requests.js";
import { echo, ownMessage } from "./run.js";

/**
 * @param {import("./run.js").Run} run
 * @param {number} size
 */
export function enqueueMany(run, size) {
  const message = ownMessage(run);
  const jobs = Array.from({ length: size }, (_, index) => echo(`${message}${index}`));
  countAccepted(checkBulk(postJobs(jobs), size));
}
