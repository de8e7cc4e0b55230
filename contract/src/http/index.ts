import { getLiveness, getReadiness } from "./health.ts";
import { createImport, getImport } from "./imports.ts";
import { createKey, getKey, listKeys, revokeKey, rotateKey } from "./keys.ts";
import { createJob, createJobs, getJob, listJobs } from "./jobs.ts";

/** Every operation, in the order in which a client meets them. */
export const routes = [
  createJob,
  createJobs,
  getJob,
  listJobs,
  createImport,
  getImport,
  createKey,
  listKeys,
  getKey,
  rotateKey,
  revokeKey,
  getLiveness,
  getReadiness,
] as const;
