import { getLiveness, getReadiness } from "./health.ts";
import { createImport, getImport } from "./imports.ts";
import { createJob, createJobs, getJob, listJobs } from "./jobs.ts";

/** Every operation, in the order in which a client meets them. */
export const routes = [
  createJob,
  createJobs,
  getJob,
  listJobs,
  createImport,
  getImport,
  getLiveness,
  getReadiness,
] as const;
