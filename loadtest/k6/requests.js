import http from "k6/http";
import { apiKey, baseUrl } from "./settings.js";

/** @typedef {Record<string, string | number>} Query */

/** Names of requests in k6's metrics, independent of ids in addresses. */
export const names = {
  createJob: "POST /v1/jobs",
  createJobs: "POST /v1/jobs/bulk",
  createImport: "POST /v1/imports",
  getJob: "GET /v1/jobs/{id}",
  getImport: "GET /v1/imports/{id}",
  listJobs: "GET /v1/jobs",
};

const authorization = apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };

/**
 * @param {unknown} job
 * @param {{ idempotencyKey?: string, expected?: number[] }} [options] `expected`: statuses that do not count as failures
 */
export function postJob(job, { idempotencyKey, expected } = {}) {
  return http.post(`${baseUrl}/v1/jobs`, JSON.stringify(job), {
    headers: {
      ...authorization,
      "Content-Type": "application/json",
      ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
    },
    tags: { name: names.createJob },
    ...(expected === undefined
      ? {}
      : { responseCallback: http.expectedStatuses({ min: 200, max: 299 }, ...expected) }),
  });
}

/** @param {unknown[]} jobs */
export function postJobs(jobs) {
  return http.post(`${baseUrl}/v1/jobs/bulk`, JSON.stringify(jobs), {
    headers: { ...authorization, "Content-Type": "application/json" },
    tags: { name: names.createJobs },
    timeout: "2m",
  });
}

/** @param {string} csv */
export function postImport(csv) {
  return http.post(`${baseUrl}/v1/imports?type=row.import`, csv, {
    headers: { ...authorization, "Content-Type": "text/csv" },
    tags: { name: names.createImport },
    timeout: "10m",
  });
}

/** @param {string} id */
export function getJob(id) {
  return get(`/v1/jobs/${id}`, names.getJob);
}

/** @param {string} id */
export function getImport(id) {
  return get(`/v1/imports/${id}`, names.getImport);
}

/** @param {Query} query */
export function listJobs(query) {
  const pairs = Object.entries(query).map(
    ([name, value]) => `${name}=${encodeURIComponent(value)}`,
  );
  return get(`/v1/jobs?${pairs.join("&")}`, names.listJobs);
}

/**
 * @param {string} path
 * @param {string} name
 */
function get(path, name) {
  return http.get(`${baseUrl}${path}`, { headers: authorization, tags: { name } });
}
