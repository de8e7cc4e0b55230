import { listAudit } from "./audit/list-audit.ts";
import { verifyAudit } from "./audit/verify-audit.ts";
import type { Commands, Group } from "./command.ts";
import { createCompletion } from "./completion/completion.ts";
import {
  listProfiles,
  removeProfile,
  setProfile,
  useProfile,
} from "./connection/profile-commands.ts";
import { listDead } from "./dead-letters/list-dead.ts";
import { redrive } from "./dead-letters/redrive.ts";
import { doctor } from "./doctor/doctor.ts";
import { fetchFeed, listFeeds } from "./feeds/feed-commands.ts";
import { importFeeds } from "./feeds/import-feeds.ts";
import { importFile } from "./import/import-command.ts";
import {
  cancelImport,
  downloadErrors,
  listImports,
  showImport,
} from "./import/imports-commands.ts";
import { cancelJobs, promoteJobs, retryJobs } from "./jobs/change-jobs.ts";
import { enqueue } from "./jobs/enqueue.ts";
import { createGraph, showGraph } from "./jobs/graph-commands.ts";
import { getJob, listJobs } from "./jobs/read-jobs.ts";
import { tail } from "./jobs/tail.ts";
import { revokeKey, rotateKey } from "./keys/change-key.ts";
import { createKey } from "./keys/create-key.ts";
import { listKeys } from "./keys/list-keys.ts";
import { patchKey } from "./keys/patch-key.ts";
import { openPage } from "./open-page.ts";
import { projectCommands } from "./project/commands.ts";
import { reconcile } from "./reconcile/reconcile.ts";
import { listSchedules } from "./queues/list-schedules.ts";
import { listQueues, pauseQueue, resumeQueue } from "./queues/queue-commands.ts";
import { deleteType, listTypes, putType, showType } from "./types/type-commands.ts";
import {
  deleteWebhook,
  disableWebhook,
  enableWebhook,
  listDeliveries,
  listWebhooks,
  putWebhook,
  replayDelivery,
  testWebhook,
} from "./webhooks/webhook-commands.ts";

/** Commands of one word, by the heading of the help under which they are listed. */
export const sections: Readonly<Record<string, Commands>> = {
  Project: projectCommands,
  Jobs: {
    enqueue,
    import: importFile,
    job: getJob,
    jobs: listJobs,
    tail,
    cancel: cancelJobs,
    retry: retryJobs,
    promote: promoteJobs,
    dead: listDead,
    redrive,
  },
  Service: {
    queues: listQueues,
    pause: pauseQueue,
    resume: resumeQueue,
    schedules: listSchedules,
    open: openPage,
    doctor,
    reconcile,
  },
  "This command": { completion: createCompletion(() => ({ commands, groups })) },
};

/** All commands of one word. */
export const commands: Commands = Object.assign({}, ...Object.values(sections)) as Commands;

/** Commands of two words: `toril <group> <command>`. */
export const groups: Readonly<Record<string, Group>> = {
  graph: {
    summary: "jobs that wait for other jobs",
    commands: { create: createGraph, show: showGraph },
  },
  imports: {
    summary: "imports of files, and their rejected rows",
    commands: {
      list: listImports,
      show: showImport,
      errors: downloadErrors,
      cancel: cancelImport,
    },
  },
  feeds: {
    summary: "feeds that are polled by schedules",
    commands: { list: listFeeds, fetch: fetchFeed, import: importFeeds },
  },
  types: {
    summary: "job types, with their schemas",
    commands: { list: listTypes, show: showType, put: putType, delete: deleteType },
  },
  webhooks: {
    summary: "endpoints that receive events, and their deliveries",
    commands: {
      list: listWebhooks,
      put: putWebhook,
      delete: deleteWebhook,
      enable: enableWebhook,
      disable: disableWebhook,
      test: testWebhook,
      deliveries: listDeliveries,
      replay: replayDelivery,
    },
  },
  profiles: {
    summary: "addresses of services, with their keys",
    commands: { list: listProfiles, set: setProfile, use: useProfile, remove: removeProfile },
  },
  keys: {
    summary: "API keys, their scopes and quotas",
    commands: {
      create: createKey,
      list: listKeys,
      patch: patchKey,
      rotate: rotateKey,
      revoke: revokeKey,
    },
  },
  audit: {
    summary: "the audit log",
    commands: { list: listAudit, verify: verifyAudit },
  },
};
