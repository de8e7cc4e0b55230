import type {
  ExtendedLeases,
  FinishedAttempts,
  JobsToTake,
  LeaseExtension,
  TakenJobs,
  WorkerFinish,
} from "./api-types.ts";
import type { Sent } from "./job-types.ts";
import { type CallOptions, postJson, type Transport } from "./transport.ts";

/** Calls of a worker that takes jobs over HTTP. */
export function createWorkerCalls({ call }: Transport) {
  return {
    /** Takes jobs; with `waitMs`, waits for a first one. */
    takeJobs: (selection: Sent<JobsToTake> = {}, options: CallOptions = {}) =>
      call<TakenJobs>("/v1/worker/take", {
        ...postJson(selection, options),
        waitMs: selection.waitMs,
      }),

    /** Records the outcomes of attempts and, with `take`, takes the next jobs. */
    finishJobs: (finish: Sent<WorkerFinish>, options: CallOptions = {}) =>
      call<FinishedAttempts>("/v1/worker/finish", {
        ...postJson(finish, options),
        waitMs: finish.take?.waitMs,
      }),

    /** Extends leases, and records progress and log lines. */
    extendLeases: (extension: Sent<LeaseExtension>, options: CallOptions = {}) =>
      call<ExtendedLeases>("/v1/worker/extend", postJson(extension, options)),
  };
}
