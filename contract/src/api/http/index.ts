import { listAudit } from "./audit.ts";
import {
  deleteDeadLetter,
  getDeadLetter,
  redriveDeadLetter,
  summarizeDeadLetters,
  createDeadLetterRoutes,
} from "./dead-letters.ts";
import { createImportRoute } from "./create-import.ts";
import {
  followImport,
  followJob,
  followJobs,
  followOverview,
  createEventRoutes,
} from "./events.ts";
import { fetchFeed, listFeeds } from "./feeds.ts";
import { createGraphRoutes, listChildren } from "./jobs/graphs.ts";
import { getLiveness, getReadiness } from "./health.ts";
import { completeImport, listImportParts, putImportPart } from "./import-parts.ts";
import { cancelImport, getImport, listImportErrors, listImports } from "./imports.ts";
import { getOverview, getOverviewHistory } from "./overview.ts";
import { getPrincipal } from "./principal.ts";
import { getKey, getKeyUse, listKeys, revokeKey, rotateKey, createKeyRoutes } from "./keys.ts";
import {
  changeQueue,
  cleanQueue,
  drainQueue,
  getQueue,
  listQueues,
  pauseQueue,
  resumeQueue,
} from "./queues.ts";
import { cancelJob, changeJob, getJob, promoteJob, retryJob } from "./jobs/job.ts";
import { deleteJobType, getJobType, listJobTypes, putJobType } from "./job-types.ts";
import { createJobRoutes } from "./jobs/jobs.ts";
import {
  getOperation,
  listOperations,
  stopOperation,
  createOperationRoutes,
} from "./operations.ts";
import {
  deleteSchedule,
  getSchedule,
  listSchedules,
  pauseSchedule,
  previewSchedule,
  resumeSchedule,
  runSchedule,
  createScheduleRoutes,
} from "./schedules.ts";
import { getPushEndpoint, resetPushEndpoint, rotatePushEndpoint } from "./push-endpoints.ts";
import {
  putWebhook,
  listWebhooks,
  getWebhook,
  deleteWebhook,
  rotateWebhook,
  enableWebhook,
  disableWebhook,
  testWebhook,
  listWebhookDeliveries,
  replayWebhookDelivery,
  replayWebhookDeliveries,
} from "./webhooks.ts";

import { extendLeases, finishJobs, takeJobs } from "./worker.ts";
import type { JobTypeRegistry } from "../registry.ts";

export type Api = ReturnType<typeof createApi>;

/** Creates the operations of the API, in the order of the documentation. */
export function createApi(jobTypes: JobTypeRegistry) {
  const { createJob, createJobs, listJobs } = createJobRoutes(jobTypes);
  const { createGraph } = createGraphRoutes(jobTypes);
  const createImport = createImportRoute(jobTypes);
  const { putSchedule, previewDefinition } = createScheduleRoutes(jobTypes);
  const { listDeadLetters, redriveDeadLetters } = createDeadLetterRoutes(jobTypes);
  const { createOperation } = createOperationRoutes(jobTypes);
  const { followQueue } = createEventRoutes(jobTypes);
  const { createKey, changeKey } = createKeyRoutes(jobTypes);
  return {
    createJob,
    createJobs,
    getJob,
    listJobs,
    cancelJob,
    changeJob,
    promoteJob,
    retryJob,
    createGraph,
    listChildren,
    createImport,
    listImports,
    getImport,
    cancelImport,
    putImportPart,
    listImportParts,
    completeImport,
    listImportErrors,
    putSchedule,
    listSchedules,
    getSchedule,
    deleteSchedule,
    pauseSchedule,
    resumeSchedule,
    runSchedule,
    previewSchedule,
    previewDefinition,
    listFeeds,
    fetchFeed,
    getPushEndpoint,
    rotatePushEndpoint,
    resetPushEndpoint,
    putWebhook,
    listWebhooks,
    getWebhook,
    deleteWebhook,
    rotateWebhook,
    enableWebhook,
    disableWebhook,
    testWebhook,
    listWebhookDeliveries,
    replayWebhookDelivery,
    replayWebhookDeliveries,
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
    takeJobs,
    finishJobs,
    extendLeases,
    followJob,
    followImport,
    followOverview,
    followQueue,
    followJobs,
    putJobType,
    listJobTypes,
    getJobType,
    deleteJobType,
    createKey,
    changeKey,
    listKeys,
    getKey,
    getKeyUse,
    rotateKey,
    revokeKey,
    listAudit,
    getPrincipal,
    getOverview,
    getOverviewHistory,
    getLiveness,
    getReadiness,
  };
}
