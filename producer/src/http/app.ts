import { OpenAPIHono } from "@hono/zod-openapi";
import { Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import type { Enqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import type { FeedParser } from "@toril/contract/engine/feeds/feed-parser";
import type { Readiness } from "@toril/contract/api/http/health";
import * as events from "@toril/contract/api/http/events";
import * as deadLetters from "@toril/contract/api/http/dead-letters";
import * as health from "@toril/contract/api/http/health";
import * as imports from "@toril/contract/api/http/imports";
import * as jobs from "@toril/contract/api/http/jobs";
import * as keys from "@toril/contract/api/http/keys";
import * as queues from "@toril/contract/api/http/queues";
import { queueNames } from "@toril/contract/api/job-types/index";
import * as operations from "@toril/contract/api/http/operations";
import * as schedules from "@toril/contract/api/http/schedules";
import { fieldErrors } from "@toril/contract/api/problem";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Admission } from "./admission.ts";
import type { AppEnv } from "./app-env.ts";
import { bodiless } from "./bodiless.ts";
import type { CleanQueue } from "../queues/clean-queue.ts";
import { dashboardPath } from "../pages/dashboard.ts";
import type { DrainQueue } from "../queues/drain-queue.ts";
import type { Events } from "../events/events.ts";
import type { DeadLetters } from "../dead-letters/dead-letters.ts";
import type { RequestContext } from "./request-context.ts";
import type { FileImporter } from "../imports/import-file.ts";
import type { ImportLedger } from "../imports/import-ledger.ts";
import type { JobChanges } from "../jobs/job-changes.ts";
import type { KeyStore } from "../api-keys/key-store.ts";
import type { LiveJobs } from "../jobs/live-jobs.ts";
import type { Metrics } from "../observability/metrics.ts";
import { notFoundProblem } from "./not-found.ts";
import type { Idempotency } from "../idempotency/run-once.ts";
import type { OperationLedger } from "../operations/operation-ledger.ts";
import { type ErrorHandler, ProblemError, problemResponse } from "./problem.ts";
import type { QueueControl } from "../queues/queue-control.ts";
import type { QueueReader } from "../queues/queue-reader.ts";
import type { JobReader } from "../jobs/read-jobs.ts";
import type { JobSearch } from "../jobs/search-jobs.ts";
import { changeQueue } from "../routes/change-queue.ts";
import { cleanQueue } from "../routes/clean-queue.ts";
import { cancelJob } from "../routes/cancel-job.ts";
import { changeJob } from "../routes/change-job.ts";
import { createImport } from "../routes/create-import.ts";
import { createJobs } from "../routes/create-jobs.ts";
import { createKey } from "../routes/create-key.ts";
import { drainQueue } from "../routes/drain-queue.ts";
import { followImport } from "../routes/follow-import.ts";
import { followJob } from "../routes/follow-job.ts";
import { followJobs } from "../routes/follow-jobs.ts";
import { followQueue } from "../routes/follow-queue.ts";
import { deleteSchedule } from "../routes/delete-schedule.ts";
import { getImport } from "../routes/get-import.ts";
import { getJob } from "../routes/get-job.ts";
import { getKey } from "../routes/get-key.ts";
import { getLiveness } from "../routes/get-liveness.ts";
import { getQueue } from "../routes/get-queue.ts";
import { getReadiness } from "../routes/get-readiness.ts";
import { type ListState, listJobs } from "../routes/list-jobs.ts";
import { listKeys } from "../routes/list-keys.ts";
import { listQueues } from "../routes/list-queues.ts";
import { pauseQueue } from "../routes/pause-queue.ts";
import { resumeQueue } from "../routes/resume-queue.ts";
import { promoteJob } from "../routes/promote-job.ts";
import { retryJob } from "../routes/retry-job.ts";
import { createOperation } from "../routes/create-operation.ts";
import { deleteDeadLetter } from "../routes/delete-dead-letter.ts";
import { getDeadLetter } from "../routes/get-dead-letter.ts";
import { getOperation } from "../routes/get-operation.ts";
import { listDeadLetters } from "../routes/list-dead-letters.ts";
import { listOperations } from "../routes/list-operations.ts";
import { redriveDeadLetter } from "../routes/redrive-dead-letter.ts";
import { redriveDeadLetters } from "../routes/redrive-dead-letters.ts";
import { stopOperation } from "../routes/stop-operation.ts";
import { summarizeDeadLetters } from "../routes/summarize-dead-letters.ts";
import { getSchedule } from "../routes/get-schedule.ts";
import { listSchedules } from "../routes/list-schedules.ts";
import { pauseSchedule } from "../routes/pause-schedule.ts";
import { previewDefinition } from "../routes/preview-definition.ts";
import { previewSchedule } from "../routes/preview-schedule.ts";
import { putSchedule } from "../routes/put-schedule.ts";
import { resumeSchedule } from "../routes/resume-schedule.ts";
import { revokeKey } from "../routes/revoke-key.ts";
import { rotateKey } from "../routes/rotate-key.ts";
import { runSchedule } from "../routes/run-schedule.ts";
import type { ScheduleStore } from "../schedules/schedule-store.ts";

export interface AppDeps {
  onError: ErrorHandler;
  metrics: Metrics;
  enqueue: Enqueue;
  secretKeys: KeyRing | undefined;
  createJob(exchange: RequestContext): Promise<Response>;
  jobReader: JobReader;
  jobSearch: JobSearch;
  listState: ListState;
  liveJobs: LiveJobs;
  jobChanges: JobChanges;
  deadLetters: DeadLetters;
  operations: OperationLedger;
  importer: FileImporter;
  feedParser: FeedParser;
  importLedger: ImportLedger;
  queueReader: QueueReader;
  queueControl: QueueControl;
  drainQueue: DrainQueue;
  cleanQueue: CleanQueue;
  events: Events;
  scheduleStore: ScheduleStore;
  keyStore: KeyStore;
  once: Idempotency;
  readiness(): Promise<Readiness>;
  docs: Hono<AppEnv>;
  pages: Hono<AppEnv>;
  dashboard: Hono<AppEnv>;
  maxBulkEntries: number;
  bulkAdmission: Admission;
}

/** Safe cast: only the pipeline calls the app, and it passes a RequestContext. */
function pathOf(env: object | undefined): string {
  return (env as RequestContext).path;
}

export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const app = createRouter(deps);
  // A second router for routes below an id: RegExpRouter cannot tell them from paths without an id.
  const byId = createRouter(deps);

  app.post(jobs.createJob.path, (c) => deps.createJob(c.env));
  app.openapi(
    jobs.createJobs,
    createJobs(deps.enqueue, {
      maxEntries: deps.maxBulkEntries,
      secretKeys: deps.secretKeys,
      admission: deps.bulkAdmission,
    }),
  );
  app.openapi(jobs.getJob, getJob(deps.jobReader, deps.liveJobs, deps.events.waitForEnd));
  app.openapi(
    jobs.listJobs,
    listJobs({
      search: deps.jobSearch,
      jobs: deps.jobReader,
      live: deps.liveJobs,
      listState: deps.listState,
    }),
  );
  app.post(`${jobs.createJob.path}/*`, (c) => byId.fetch(c.req.raw, c.env));
  const changing = [deps.jobReader, deps.liveJobs, deps.jobChanges] as const;
  app.openapi(jobs.cancelJob, cancelJob(...changing));
  app.openapi(bodiless(jobs.changeJob), changeJob(...changing));
  byId.openapi(jobs.promoteJob, promoteJob(...changing));
  byId.openapi(jobs.retryJob, retryJob(...changing));
  app.openapi(imports.createImport, createImport(deps.importer, deps.once, deps.feedParser.parse));
  app.openapi(imports.getImport, getImport(deps.importLedger));
  app.openapi(queues.listQueues, listQueues(deps.queueReader));
  app.openapi(queues.getQueue, getQueue(deps.queueReader));
  app.openapi(bodiless(queues.changeQueue), changeQueue(deps.queueControl));
  app.openapi(queues.pauseQueue, pauseQueue(deps.queueControl));
  app.openapi(queues.resumeQueue, resumeQueue(deps.queueControl));
  app.openapi(queues.drainQueue, drainQueue(deps.drainQueue));
  app.openapi(bodiless(queues.cleanQueue), cleanQueue(deps.cleanQueue));
  const letters = deps.deadLetters;
  app.openapi(deadLetters.listDeadLetters, listDeadLetters(letters));
  app.openapi(deadLetters.summarizeDeadLetters, summarizeDeadLetters(letters));
  app.openapi(
    bodiless(deadLetters.redriveDeadLetters),
    redriveDeadLetters(letters, deps.jobChanges, deps.operations),
  );
  byId.openapi(deadLetters.getDeadLetter, getDeadLetter(letters));
  byId.openapi(deadLetters.redriveDeadLetter, redriveDeadLetter(letters, ...changing));
  byId.openapi(deadLetters.deleteDeadLetter, deleteDeadLetter(letters, deps.jobChanges));
  app.all(`${deadLetters.listDeadLetters.path}/*`, (c) => byId.fetch(c.req.raw, c.env));
  app.openapi(bodiless(operations.createOperation), createOperation(deps.operations));
  app.openapi(operations.listOperations, listOperations(deps.operations));
  app.openapi(operations.getOperation, getOperation(deps.operations));
  app.openapi(operations.stopOperation, stopOperation(deps.operations));
  app.openapi(events.followJob, followJob(deps.jobReader, deps.events.followJob));
  app.openapi(events.followImport, followImport(deps.importLedger, deps.events.followImport));
  app.openapi(events.followQueue, followQueue(deps.events.followJobs));
  app.openapi(events.followJobs, followJobs(deps.events.followJobs, queueNames));
  app.post(keys.createKey.path, createKey(deps.keyStore));
  app.openapi(keys.listKeys, listKeys(deps.keyStore));
  app.openapi(keys.getKey, getKey(deps.keyStore));
  app.openapi(bodiless(keys.rotateKey), rotateKey(deps.keyStore));
  app.openapi(keys.revokeKey, revokeKey(deps.keyStore));
  addScheduleRoutes(app, deps);
  app.openapi(health.getLiveness, getLiveness());
  app.openapi(health.getReadiness, getReadiness(deps.readiness));

  app.get("/metrics", async (c) =>
    c.body(await deps.metrics.render(), 200, { "Content-Type": deps.metrics.contentType }),
  );
  app.route("/", deps.docs);
  app.route("/", deps.pages);
  // A separate app, because RegExpRouter cannot compile the dashboard's routes together with the others.
  const dashboard = new Hono<AppEnv>().route(dashboardPath, deps.dashboard);
  dashboard.onError((error, c) => deps.onError(error, c.env));
  dashboard.notFound((c) => problemResponse(c.env, notFoundProblem(c.env.path)));
  app.all(`${dashboardPath}/*`, (c) => dashboard.fetch(c.req.raw, c.env));
  return app;
}

function createRouter({ onError }: Pick<AppDeps, "onError">): OpenAPIHono<AppEnv> {
  const router = new OpenAPIHono<AppEnv>({
    // RegExpRouter throws on ambiguous patterns, for which Hono's default router falls back to one that costs ten times
    // as much.
    router: new RegExpRouter(),
    // Routes by the path that access was decided for.
    getPath: (_, options) => pathOf(options?.env),
    defaultHook: (result) => {
      if (result.success) return;
      throw new ProblemError("invalid-parameter", undefined, fieldErrors(result.error.issues));
    },
  });
  router.onError((error, c) => onError(error, c.env));
  router.notFound((c) => problemResponse(c.env, notFoundProblem(c.env.path)));
  return router;
}

function addScheduleRoutes(
  app: OpenAPIHono<AppEnv>,
  { scheduleStore: store, enqueue, secretKeys }: AppDeps,
) {
  const { params } = schedules.putSchedule.request;
  const put = { ...schedules.putSchedule, request: { params } };
  app.openapi(put, putSchedule(store, secretKeys));
  app.openapi(schedules.listSchedules, listSchedules(store));
  app.openapi(schedules.getSchedule, getSchedule(store));
  app.openapi(schedules.deleteSchedule, deleteSchedule(store));
  app.openapi(schedules.pauseSchedule, pauseSchedule(store));
  app.openapi(schedules.resumeSchedule, resumeSchedule(store));
  app.openapi(schedules.runSchedule, runSchedule(store, enqueue, secretKeys));
  app.openapi(schedules.previewSchedule, previewSchedule(store));
  const { query } = schedules.previewDefinition.request;
  // RegExpRouter cannot tell the fixed path from `{name}`. The pipeline passes on known operations only, so no other
  // request gets here.
  const path = "/v1/schedules/{name}";
  app.openapi({ ...schedules.previewDefinition, path, request: { query } }, previewDefinition());
}
