import { sleep } from "k6";
import { Counter } from "k6/metrics";
import { countAccepted } from "./account.js";
import { checkAccepted } from "./answers.js";
import { postJob } from "./requests.js";
import { echo, ownMessage } from "./run.js";
import { settleSeconds } from "./settings.js";

const refused = new Counter("jobs_refused");

// 409: the first request with this key is still in progress.
const later = [409, 429, 503];

/**
 * Repeats unanswered and refused requests with the same Idempotency-Key, not before Retry-After.
 * @param {import("./run.js").Run} run
 */
export function enqueueUntilAccepted(run) {
  const idempotencyKey = ownMessage(run);
  const deadline = Date.now() + settleSeconds * 1000;
  for (;;) {
    const response = postJob(echo(idempotencyKey), { idempotencyKey, expected: later });
    const isUnknown = response.status === 0 || later.includes(response.status);
    if (isUnknown && Date.now() < deadline) {
      refused.add(1);
      sleep(Number(response.headers["Retry-After"] ?? 1));
      continue;
    }
    if (checkAccepted(response) !== undefined) countAccepted(1);
    return;
  }
}
