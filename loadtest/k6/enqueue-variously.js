import { check } from "k6";
import exec from "k6/execution";
import { countAccepted } from "./account.js";
import { bodyOf, checkAccepted } from "./answers.js";
import { enqueueOne } from "./enqueue-one.js";
import { getJob, postJob } from "./requests.js";
import { echo, ownMessage } from "./run.js";

/**
 * @typedef {import("./run.js").Run} Run
 * @typedef {import("@toril/contract/api/jobs/job").Job} Job
 * @typedef {import("@toril/contract/api/problem").Problem} Problem
 */

/** Of twenty jobs, the first few are special, the others are what `enqueue.js` sends. */
const special = [lookAtIt, failOnce, die, repeatTheRequest, repeatTheKey, sendNonsense];

/** @param {Run} run */
export function enqueueVariously(run) {
  const turn = special[exec.scenario.iterationInTest % 20] ?? enqueueOne;
  turn(run);
}

/** @param {Run} run */
function lookAtIt(run) {
  const message = ownMessage(run);
  const accepted = checkAccepted(postJob(echo(message)));
  if (accepted === undefined) return;
  countAccepted(1);
  const response = getJob(accepted.id);
  /** @type {Job | undefined} */
  const job = bodyOf(response);
  check(response, {
    "200 for an accepted job": ({ status }) => status === 200,
    "a job has its submitted data": () =>
      job?.id === accepted.id &&
      JSON.stringify(job.data) === JSON.stringify({ message }) &&
      (job.status === "completed" ? job.settledAt !== null : job.status === "pending"),
  });
}

/** @param {Run} run */
function failOnce(run) {
  const job = checkAccepted(postJob(echo(ownMessage(run), { failures: 1 })));
  if (job !== undefined) countAccepted(1);
}

/** @param {Run} run */
function die(run) {
  const request = { ...echo(ownMessage(run), { failures: 1 }), attempts: 1 };
  const job = checkAccepted(postJob(request));
  if (job !== undefined) countAccepted(1);
}

/** @param {Run} run */
function repeatTheRequest(run) {
  const idempotencyKey = ownMessage(run);
  const request = echo(idempotencyKey);
  const first = postJob(request, { idempotencyKey });
  if (checkAccepted(first) !== undefined) countAccepted(1);
  const second = postJob(request, { idempotencyKey });
  check(second, {
    "a repeated request gets the first answer": ({ status, body, headers }) =>
      status === first.status && body === first.body && headers["Idempotency-Replayed"] === "true",
  });
}

/** @param {Run} run */
function repeatTheKey(run) {
  const key = ownMessage(run);
  const request = { ...echo(key), key, delayMs: 2000 };
  const first = checkAccepted(postJob(request), { key });
  if (first !== undefined) countAccepted(1);
  const second = checkAccepted(postJob(request), { outcome: "duplicate", key });
  check(second, { "a duplicate is the job that is pending": (job) => job?.id === first?.id });
}

/** @param {Run} run */
function sendNonsense(run) {
  const request = { type: "echo", data: { message: ownMessage(run), failures: "many" } };
  const response = postJob(request, { expected: [422] });
  /** @type {Problem | undefined} */
  const problem = bodyOf(response);
  check(response, {
    "nonsense is refused with a pointer": ({ status, headers }) =>
      status === 422 &&
      headers["Content-Type"] === "application/problem+json" &&
      problem?.type === "urn:toril:problem:invalid-job" &&
      problem.errors?.[0]?.pointer === "/data/failures",
  });
}
