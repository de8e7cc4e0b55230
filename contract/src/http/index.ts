import { followImport, followJob, followJobs, followQueue } from "./events.ts";
import { getLiveness, getReadiness } from "./health.ts";
import { createImport, getImport } from "./imports.ts";
import { createKey, getKey, listKeys, revokeKey, rotateKey } from "./keys.ts";
import {
  changeQueue,
  cleanQueue,
  drainQueue,
  getQueue,
  listQueues,
  pauseQueue,
  resumeQueue,
} from "./queues.ts";
import { createJob, createJobs, getJob, listJobs } from "./jobs.ts";

/** Every operation, in the order in which a client meets them. */
export const routes = [
  createJob,
  createJobs,
  getJob,
  listJobs,
  createImport,
  getImport,
  listQueues,
  getQueue,
  changeQueue,
  pauseQueue,
  resumeQueue,
  drainQueue,
  cleanQueue,
  followJob,
  followImport,
  followQueue,
  followJobs,
  createKey,
  listKeys,
  getKey,
  rotateKey,
  revokeKey,
  getLiveness,
  getReadiness,
] as const;
