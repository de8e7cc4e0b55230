import type { JobRequest } from "@toril/contract/jobs/index";
import type { Job } from "bullmq";
import type { ActiveJob } from "./active-jobs.ts";
import type { EnqueuedChildren, HandlerContext } from "./handler.ts";
import type { JobLog, Log } from "./log.ts";

export interface ContextDeps {
  log: Log;
  enqueue(requests: readonly JobRequest[]): Promise<EnqueuedChildren>;
}

export interface Start {
  job: Job;
  active: ActiveJob;
  /** The id in the ledger. */
  id: string;
  attempt: number;
}

export function createContext(
  deps: ContextDeps,
  { job, active, id, attempt }: Start,
): HandlerContext {
  let log: JobLog | undefined;
  return {
    id,
    attempt,
    get signal() {
      return active.signal;
    },
    get log() {
      return (log ??= deps.log.child({ jobId: id, type: job.name, attempt }));
    },
    progress(value) {
      job.updateProgress(value).catch((error: unknown) => {
        deps.log.debug({ jobId: id, err: error }, "progress was not kept");
      });
    },
    enqueue: deps.enqueue,
  };
}
