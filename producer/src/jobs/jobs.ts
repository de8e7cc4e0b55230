import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import type { Api } from "@toril/contract/api/http/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import { listState } from "@toril/contract/engine/redis/list-state";
import { readLiveDetail } from "@toril/contract/engine/redis/live-detail";
import { createMove, moveScriptUrl } from "@toril/contract/engine/redis/scripts/move";
import { createAwaitJob, type WaitForEnd } from "../events/wait-for-end.ts";
import { createAdmission } from "../http/admission.ts";
import type { TenantLedger } from "../stores/postgres.ts";
import type { Reads } from "../stores/reads.ts";
import type { FindCallbacks } from "../webhooks/find-callbacks.ts";
import { createJobHandler } from "./create-job.ts";
import type { createDispatching } from "./dispatching.ts";
import { createJobChanges } from "./job-changes.ts";
import { createLiveJobs, createReadJob, type LiveJobsDeps } from "./live-jobs.ts";
import { createJobReader } from "./read-jobs.ts";
import { jobRoutes } from "./routes.ts";
import { createJobSearch } from "./search-jobs.ts";

export interface JobsDeps extends Pick<LiveJobsDeps, "readStates" | "getDequeueRate"> {
  api: Api;
  jobTypes: JobTypeRegistry;
  redis: Redis | Cluster;
  prefix: string;
  loadScript(url: URL): { prefix: string; script: string };
  ledger: TenantLedger;
  reads: Reads;
  dispatching: ReturnType<typeof createDispatching>;
  secretKeys: KeyRing | undefined;
  findCallbacks: FindCallbacks;
  maxBulkEntries: number;
  /** Deadline of a response. */
  timeoutMs: number;
  log: Logger;
}

/** Share of the response deadline that a bulk request may wait: long enough to keep the stores busy. */
const waitShare = 0.1;
/** Maximum number of jobs of a state that a search reads from Redis. */
const maxListed = 10_000;
const minBulkRequests = 8;

/** Creates the operations on single jobs and bulks. */
export function createJobsSubject(deps: JobsDeps) {
  const { api, jobTypes, redis, prefix, reads, secretKeys } = deps;
  const { enqueue, breakers, dispatch, remove, removeFromRedis } = deps.dispatching;
  const jobReader = createJobReader(reads);
  const jobSearch = createJobSearch(jobTypes, reads);
  const liveJobs = createLiveJobs({
    jobTypes,
    readStates: deps.readStates,
    readDetail: (job) => readLiveDetail(redis, prefix, job),
    getDequeueRate: deps.getDequeueRate,
  });
  const readJob = createReadJob(jobReader, liveJobs);
  const bulkAdmission = createAdmission({
    maxWaitMs: deps.timeoutMs * waitShare,
    minInProgress: minBulkRequests,
    now: () => performance.now(),
  });
  const jobChanges = createJobChanges({
    ledger: deps.ledger,
    breakers,
    removeFromRedis,
    dispatch,
    remove,
    log: deps.log,
    move: createMove(redis, deps.loadScript(moveScriptUrl)),
  });
  return {
    jobReader,
    jobSearch,
    liveJobs,
    readJob,
    jobChanges,
    bulkAdmission,
    /** Separate, because waiting for the end of a job needs `readJob`. */
    createRoutes(waitForEnd: WaitForEnd) {
      const createJob = createJobHandler(
        api.createJob,
        enqueue,
        secretKeys,
        createAwaitJob(waitForEnd, readJob, deps.log),
        deps.findCallbacks,
      );
      const routes = jobRoutes({
        api,
        createJob,
        enqueue,
        maxBulkEntries: deps.maxBulkEntries,
        bulkAdmission,
        secretKeys,
        findCallbacks: deps.findCallbacks,
        jobReader,
        jobSearch,
        listState: (queues, state) => listState(redis, prefix, { queues, state, limit: maxListed }),
        liveJobs,
        jobChanges,
        waitForEnd,
      });
      return { createJob, routes };
    },
  };
}
