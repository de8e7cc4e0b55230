import { check } from "k6";

/**
 * @typedef {import("k6/http").Response} Response
 * @typedef {import("@toril/contract/api/jobs/accepted-job").AcceptedJob} AcceptedJob
 * @typedef {import("@toril/contract/api/http/jobs/bulk").BulkResult} BulkResult
 * @typedef {import("@toril/contract/api/import").Import} Import
 */

const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/**
 * @param {unknown} value
 * @returns {value is string}
 */
function isId(value) {
  return typeof value === "string" && idPattern.test(value);
}

/** @param {Response} response */
export function textOf({ body }) {
  return typeof body === "string" ? body : "";
}

/**
 * @param {Response} response
 * @returns {any} undefined unless it is JSON
 */
export function bodyOf(response) {
  try {
    return JSON.parse(textOf(response));
  } catch {
    return undefined;
  }
}

/**
 * @param {Response} response to `POST /v1/jobs`
 * @param {{ outcome?: AcceptedJob["outcome"], key?: string }} [expected]
 * @returns {AcceptedJob | undefined} the job, when it was accepted
 */
export function checkAccepted(response, { outcome = "created", key } = {}) {
  /** @type {AcceptedJob | undefined} */
  const job = bodyOf(response);
  const wanted = outcome === "created" ? 201 : 200;
  check(response, {
    [`${wanted} ${outcome}`]: ({ status }) => status === wanted && job?.outcome === outcome,
    "an accepted job has its shape": () =>
      job !== undefined &&
      isId(job.id) &&
      job.type === "echo" &&
      job.queue === "default" &&
      job.status === "pending" &&
      job.key === (key ?? null) &&
      timePattern.test(job.createdAt) &&
      (job.runAt === null || timePattern.test(job.runAt)),
    "Location is the job's": ({ headers }) => headers["Location"] === `/v1/jobs/${job?.id}`,
  });
  return response.status >= 200 && response.status < 300 ? job : undefined;
}

/**
 * @param {Response} response to `POST /v1/jobs/bulk`
 * @param {number} size number of entries
 * @returns {number} number of accepted jobs
 */
export function checkBulk(response, size) {
  /** @type {BulkResult | undefined} */
  const body = bodyOf(response);
  const results = body?.results ?? [];
  check(response, {
    "201 for a bulk request": ({ status }) => status === 201,
    "a bulk request counts created jobs": () =>
      body?.counts?.created === size && body.counts.duplicate === 0 && body.counts.rejected === 0,
    "each entry of a bulk request was created, in order": () =>
      results.length === size &&
      results.every((entry, index) => entry.outcome === "created" && entry.index === index),
    "the ids of a bulk request are distinct": () =>
      new Set(results.map((entry) => "id" in entry && isId(entry.id) && entry.id)).size === size,
  });
  return body?.counts?.created ?? 0;
}

/**
 * @param {Response} response to `POST /v1/imports`
 * @param {number} rows number of rows in the file
 * @returns {Import | undefined} the import, when the file was read
 */
export function checkImported(response, rows) {
  /** @type {Import | undefined} */
  const made = bodyOf(response);
  check(response, {
    "201 for an import": ({ status }) => status === 201,
    "an import has its shape": () =>
      made !== undefined &&
      isId(made.id) &&
      made.type === "row.import" &&
      ["running", "done"].includes(made.status) &&
      made.errors.length === 0 &&
      timePattern.test(made.createdAt),
    "each row of a file was accepted": () =>
      made?.counts?.read === rows &&
      made.counts.accepted === rows &&
      made.counts.duplicate === 0 &&
      made.counts.rejected === 0,
    "Location is the import's": ({ headers }) => headers["Location"] === `/v1/imports/${made?.id}`,
  });
  return response.status >= 200 && response.status < 300 ? made : undefined;
}
