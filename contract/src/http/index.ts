import {
  deleteDeadLetter,
  getDeadLetter,
  listDeadLetters,
  redriveDeadLetter,
  redriveDeadLetters,
  summarizeDeadLetters,
} from "./dead-letters.ts";
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
import {
  cancelJob,
  changeJob,
  createJob,
  createJobs,
  getJob,
  listJobs,
  promoteJob,
  retryJob,
} from "./jobs.ts";
import { createOperation, getOperation, listOperations, stopOperation } from "./operations.ts";

/** Every operation, in the order in which a client meets them. */
export const routes = [
  createJob,
  createJobs,
  getJob,
  listJobs,
  cancelJob,
  changeJob,
  promoteJob,
  retryJob,
  createImport,
  getImport,
  listDeadLetters,
  summarizeDeadLetters,
  getDeadLetter,
  redriveDeadLetter,
  redriveDeadLetters,
  deleteDeadLetter,
  createOperation,
  listOperations,
  getOperation,
  stopOperation,
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
