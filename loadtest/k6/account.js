import { check, sleep } from "k6";
import { Counter, Gauge } from "k6/metrics";
import { bodyOf, textOf } from "./answers.js";
import { listJobs } from "./requests.js";
import { settleSeconds } from "./settings.js";

/**
 * @typedef {import("@toril/contract/api/jobs/job").Job} Job
 * @typedef {import("@toril/contract/api/http/jobs/job-list").JobPage} JobPage
 * @typedef {import("./run.js").Run} Run
 */

const accepted = new Counter("jobs_accepted");
const completed = new Counter("jobs_completed");
const dead = new Counter("jobs_dead");
/** Accepted minus settled jobs: virtual users and teardown share no variables, but add to the same counter. */
const unaccounted = new Counter("jobs_unaccounted");
const loadedAt = new Gauge("loaded_at");
const settledAt = new Gauge("settled_at");

/** @param {number} jobs */
export function countAccepted(jobs) {
  accepted.add(jobs);
  unaccounted.add(jobs);
}

/** @param {{ completed: number, dead: number }} jobs */
export function countSettled(jobs) {
  completed.add(jobs.completed);
  dead.add(jobs.dead);
  unaccounted.add(-jobs.completed - jobs.dead);
}

/**
 * Waits until no echo job of this run is pending, then reads all of them back.
 * @param {Run} run
 */
export function readBack(run) {
  loadedAt.add(Date.now());
  const deadline = Date.now() + settleSeconds * 1000;
  while (isPending(run) && Date.now() < deadline) sleep(0.2);
  settledAt.add(Date.now());

  const messages = new Set();
  const counts = { read: 0, completed: 0, dead: 0, expected: 0, echoed: 0 };
  for (const job of ownJobs(run, { limit: 500 })) {
    const { message, failures = 0 } = messageOf(job);
    messages.add(message);
    counts.read += 1;
    if (job.status === "completed") counts.completed += 1;
    if (job.status === "dead") counts.dead += 1;
    if (job.status === (failures < job.attempts.max ? "completed" : "dead")) counts.expected += 1;
    if (job.status === "dead" || messageIn(job.result) === message) counts.echoed += 1;
  }
  countSettled(counts);
  check(counts, {
    "each job has the expected outcome": ({ read, expected }) => read === expected,
    "each result is the job's message": ({ read, echoed }) => read === echoed,
    "no request created two jobs": ({ read }) => read === messages.size,
  });
}

/** @param {Run} run */
function isPending(run) {
  return !ownJobs(run, { status: "pending", limit: 100 }).next().done;
}

/**
 * Yields this run's jobs, newest first.
 * @param {Run} run
 * @param {import("./requests.js").Query} filter
 * @returns {Generator<Job, void>}
 */
function* ownJobs({ mark, since }, filter) {
  /** @type {string | null} */
  let cursor = null;
  do {
    /** @type {JobPage} */
    const page = readPage({ type: "echo", ...filter, ...(cursor === null ? {} : { cursor }) });
    for (const job of page.items) {
      if (job.createdAt < since) return;
      if (messageOf(job).message.startsWith(mark)) yield job;
    }
    cursor = page.next;
  } while (cursor !== null);
}

/**
 * @param {import("./requests.js").Query} query
 * @returns {JobPage}
 */
function readPage(query) {
  for (let attempt = 1; ; attempt += 1) {
    const response = listJobs(query);
    if (response.status === 200) return bodyOf(response);
    if (attempt === 5) {
      throw new Error(`GET /v1/jobs answers ${response.status}: ${textOf(response)}`);
    }
    sleep(1);
  }
}

/**
 * @param {Job} job
 * @returns {{ message: string, failures?: number }}
 */
function messageOf(job) {
  return /** @type {{ message: string, failures?: number }} */ (job.data);
}

/** @param {unknown} result */
function messageIn(result) {
  return /** @type {{ message?: string } | null} */ (result)?.message;
}
