import { countAccepted } from "./account.js";
import { checkAccepted } from "./answers.js";
import { postJob } from "./requests.js";
import { echo, ownMessage } from "./run.js";

/** @param {import("./run.js").Run} run */
export function enqueueOne(run) {
  const job = checkAccepted(postJob(echo(ownMessage(run))));
  if (job !== undefined) countAccepted(1);
}
